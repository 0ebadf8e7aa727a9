"""Parts of an array that a mistake may be confined to: an end of an axis, or every other index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npformer.cards.case import Array

MOST_INDICES = 8
MOST = 0.5
"""Of a part, what has to be wrong for it to be named; of other cases, a single entry will do."""


def regions(shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """Parts along one axis, as boolean arrays; neither empty nor all of it."""
    for axis, length in enumerate(shape):
        if length < 2:
            continue
        index = np.arange(length)
        parts = [("the last index", index == length - 1), ("the first index", index == 0)]
        parts += [(f"index {at}", index == at) for at in range(1, min(length - 1, MOST_INDICES))]
        if length > 2:
            parts += [("odd indices", index % 2 == 1), ("even indices", index % 2 == 0)]
        parts += [
            (f"index {at} and later ones", index >= at)
            for at in (*range(1, min(length - 1, MOST_INDICES)), *(2**k for k in range(4, 11)))
            if at < length - 1
        ]
        for said, there in parts:
            along = there.reshape([length if k == axis else 1 for k in range(len(shape))])
            yield f"{said} of axis {axis}", np.broadcast_to(along, shape)
