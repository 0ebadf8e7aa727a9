"""No later token changes an earlier output, in value.

By value, and not by gradient alone: where a choice is discrete (hashes, clusters, the capacity of
an expert) no gradient shows what reaches an output. Vectors are changed by large values too, which
a stabiliser that looks at the whole sequence does not survive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.verify.models.calls import Region
from npformer.verify.models.compare import Pair, ask
from npformer.verify.models.question import Question

NAME = "future"
SENTENCE = "no later token changes an earlier output"
SINGLE = 5
"""Up to this length, every single position is changed alone."""
LARGE = (1.0, 30.0, 1000.0)


def _pairs(q: Question, batch: int, length: int, draw: int) -> Iterator[Pair]:
    base = q.draw(batch, length, draw)
    fresh, by = q.draw(batch, length, draw, 1), LARGE[draw % len(LARGE)]
    if length <= SINGLE:
        for at in range(1, length):
            other = q.streams.changed(base, fresh, at, by)
            before = Region(positions=slice(0, at))
            says = f"position {at} changes the output at position {{where}} by {{by}}"
            yield Pair(base, other, before, before, says, changed=at)
    for cut in sorted({1, length // 2, length - 1} - {0, length}):
        other = q.streams.changed(base, fresh, np.arange(cut, length), by)
        before = Region(positions=slice(0, cut))
        says = f"positions from {cut} on change the output at position {{where}} by {{by}}"
        yield Pair(base, other, before, before, says)


def look(q: Question) -> tuple[int, Any]:
    """Comparisons, and what is broken; raises NotAsked for a model that is not causal."""
    q.is_causal()
    return ask(q, _pairs)
