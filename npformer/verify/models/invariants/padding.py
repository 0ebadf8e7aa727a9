"""What stands under padding changes nothing, nor does how much of it there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.verify.models.calls import Region
from npformer.verify.models.compare import Pair, ask
from npformer.verify.models.inputs import Inputs
from npformer.verify.models.question import NotAsked, Question

NAME = "padding"
SENTENCE = "neither what stands under padding nor its amount changes an output that is no padding"
EXTRA = (1, 3)
"""Positions of padding that are added."""


def _pairs(q: Question, batch: int, length: int, draw: int) -> Iterator[Pair]:
    base = q.draw(batch, length, draw)
    real = base[q.padded]
    within = Region(positions=slice(0, real.shape[1]))
    for extra in EXTRA:
        if q.padding is None:
            under = [np.full((batch, extra), q.padding_id)]
        else:
            under = [q.streams.stream(q.padded).draw(batch, extra, q.rng(draw, n)) for n in (0, 1)]
            under[1] = under[1] * (30.0 if real.dtype.kind == "f" else 1)
        padded = [{**base, q.padded: np.concatenate([real, each], 1)} for each in under]
        if len(padded) == 2:
            says = "what stands under padding changes the output at position {where} by {by}"
            yield _hidden(q, padded[0], padded[1], within, extra, says)
        says = (
            f"{extra} more positions of padding change the output at position {{where}} by {{by}}"
        )
        yield _hidden(q, padded[0], base, within, extra, says)


def _hidden(
    q: Question, first: Inputs, second: Inputs, within: Region, extra: int, says: str
) -> Pair:
    """A pair in which what is beyond ``within`` is hidden, if the model is told by a mask."""
    real = within.positions.stop

    def more(inputs: Inputs, hidden: int) -> dict[str, Any]:
        if q.padding is None:
            return {}
        batch, length = inputs[q.padded].shape[:2]
        shown = np.broadcast_to(np.arange(length) < length - hidden, (batch, length))
        return dict(q.padding(inputs, shown))

    def more_at(batch: int, length: int) -> dict[str, Any]:
        return more({**first, q.padded: np.zeros((batch, length))}, extra)

    left = more(first, extra)
    right = more(second, second[q.padded].shape[1] - real)
    return Pair(first, second, within, within, says, None, left, right, False, q.padded, more_at)


def look(q: Question) -> tuple[int, Any]:
    """Comparisons, and what is broken; raises NotAsked where no padding is known."""
    if q.padding is None and q.padding_id is None:
        raise NotAsked(
            "no padding is known: give padding=, the id that fills a batch, or a function (inputs, "
            "shown) -> the arguments that hide what is not shown"
        )
    q.same_in_any_shape()
    return ask(q, _pairs, training=False, may_refuse=True)
