"""The same call gives the same outputs: nothing is kept from one call to the next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from npformer.verify.models.compare import Pair, ask
from npformer.verify.models.question import Question

NAME = "repeat"
SENTENCE = "the same call, with the same random state, gives the same outputs"


def _pairs(q: Question, batch: int, length: int, draw: int) -> Iterator[Pair]:
    inputs = q.draw(batch, length, draw)
    says = "called again after another call, the output at position {where} differs by {by}"
    yield Pair(inputs, inputs, says=says, between=q.draw(batch + 1, length, draw, 1))


def look(q: Question) -> tuple[int, Any]:
    """Comparisons, and what is broken; as ``compare.ask``."""
    return ask(q, _pairs)
