"""A row's neighbours in the batch change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from npformer.verify.models.calls import Region
from npformer.verify.models.compare import Pair, ask
from npformer.verify.models.question import Question

NAME = "neighbours"
SENTENCE = "what the other rows of the batch hold changes no row's outputs"


def _pairs(q: Question, batch: int, length: int, draw: int) -> Iterator[Pair]:
    if batch < 2:
        return
    base, fresh = q.draw(batch, length, draw), q.draw(batch, length, draw, 1)
    for kept in (0, batch - 1):
        other = {name: a.copy() for name, a in fresh.items()}
        for name, a in other.items():
            a[kept] = base[name][kept]
        row = Region(rows=slice(kept, kept + 1))
        says = f"other rows change row {kept}'s output at position {{where}} by {{by}}"
        yield Pair(base, other, row, row, says)


def look(q: Question) -> tuple[int, Any]:
    """Comparisons, and what is broken; as ``compare.ask``."""
    return ask(q, _pairs, batch=3)
