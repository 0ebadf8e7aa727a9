"""A prefix gives the prefix's outputs: no scale and no cut into blocks depends on the length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from npformer.verify.models.calls import Region
from npformer.verify.models.compare import Pair, ask
from npformer.verify.models.question import Question

NAME = "prefix"
SENTENCE = "a prefix gives the outputs that the whole sequence has there"


def _pairs(q: Question, batch: int, length: int, draw: int) -> Iterator[Pair]:
    whole = q.draw(batch, length, draw)
    for cut in sorted({1, length // 2, length - 1} - {0, length}):
        if not q.runs(cut):
            continue
        part = q.streams.part(whole, slice(0, cut))
        says = (
            f"without positions {cut} and later, the output at position {{where}} differs by {{by}}"
        )
        yield Pair(whole, part, Region(positions=slice(0, cut)), Region(), says)


def look(q: Question) -> tuple[int, Any]:
    """Comparisons, and what is broken; raises NotAsked for a model that is not causal."""
    q.is_causal()
    q.same_in_any_shape()
    return ask(q, _pairs, training=False)  # dropout of another length draws other masks
