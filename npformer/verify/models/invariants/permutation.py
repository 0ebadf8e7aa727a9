"""A permutation of the batch permutes the outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.verify.models.calls import Region
from npformer.verify.models.compare import Pair, ask
from npformer.verify.models.question import Question

NAME = "permutation"
SENTENCE = "rows in another order give the same outputs in that order; a row alone gives its own"


def _pairs(q: Question, batch: int, length: int, draw: int) -> Iterator[Pair]:
    base = q.draw(batch, length, draw)
    order = np.roll(np.arange(batch), 1)
    for rows, how in ((order, "in another order"), (order[:1], "alone in its batch")):
        if len(rows) == batch and (rows == np.arange(batch)).all():
            continue
        other = {name: a[rows] for name, a in base.items()}
        says = f"{how}, a row's output at position {{where}} differs by {{by}}"
        yield Pair(base, other, Region(rows=rows), Region(), says)


def look(q: Question) -> tuple[int, Any]:
    """Comparisons, and what is broken; as ``compare.ask``."""
    q.same_in_any_shape()
    return ask(q, _pairs, batch=3, training=False)  # dropout's masks do not move with the rows
