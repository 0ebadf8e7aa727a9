"""Parts of an array that a mistake may be confined to: an end of an axis, or every other index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npformer.cards.case import Array

MOST_INDICES = 8
MOST = 0.5
"""Of a part, what has to be wrong for it to be named; of other cases, a single entry will do."""


def confining(off: Array, share: float) -> Iterator[tuple[str, Array]]:
    """The parts that have all that is ``off``, and of which more than ``share`` is; tightest first.

    What is wrong from index 8 on is also confined to index 1 and later ones.
    """
    found = [(said, there) for said, there in regions(off.shape) if not off[~there].any()]
    found = [(said, there) for said, there in found if off[there].mean() > share]
    yield from sorted(found, key=lambda part: -off[part[1]].mean())


def regions(shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """Parts along one axis, as boolean arrays; neither empty nor all of it."""
    for axis, length in enumerate(shape):
        if length < 2:
            continue
        index = np.arange(length)
        parts = [("the last index", index == length - 1), ("the first index", index == 0)]
        parts += [(f"index {at}", index == at) for at in range(1, min(length - 1, MOST_INDICES))]
        parts += [("odd indices", index % 2 == 1), ("even indices", index % 2 == 0)]
        parts += [
            (f"index {at} and later ones", index >= at)
            for at in (*range(1, min(length - 1, MOST_INDICES)), *(2**k for k in range(3, 11)))
            if at < length - 1
        ]
        for said, there in parts:
            along = there.reshape([length if k == axis else 1 for k in range(len(shape))])
            yield f"{said} of axis {axis}", np.broadcast_to(along, shape)
