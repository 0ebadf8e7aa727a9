"""What stands under padding changes nothing, nor does how much of it there is."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.verify.models.calls import Region
from npformer.verify.models.compare import Pair, ask, longer
from npformer.verify.models.inputs import Inputs
from npformer.verify.models.question import NotAsked, Question

NAME = "padding"
SENTENCE = "neither what stands under padding nor its amount changes an output that is no padding"
EXTRA = (1, 3)
"""Positions of padding that are added."""


def _pairs(name: str, q: Question, batch: int, length: int, draw: int) -> Iterator[Pair]:
    base = q.draw(batch, length, draw)
    stream, real = q.streams.stream(name), base[name].shape[1]
    of = f" of {name}" if len(q.streams.streams) > 1 else ""
    for extra in EXTRA:
        if (fill := q.padding[name].id) is not None:
            under = [np.full((batch, extra), fill)]
        else:
            under = [stream.draw(batch, extra, q.rng(draw, n)) for n in (0, 1)]
            under[1] = under[1] * (1 if stream.discrete else 30.0)
        beside = longer(q, base, name, extra)
        padded = [{**beside, name: np.concatenate([base[name], each], 1)} for each in under]
        if len(padded) == 2:
            says = f"what stands under padding{of} changes the output at position"
            says += " {where} by {by}"
            yield _hidden(q, name, padded[0], padded[1], real, says)
        says = f"{extra} more positions of padding{of} change the output at position"
        says += " {where} by {by}"
        yield _hidden(q, name, padded[0], base, real, says)


def _hidden(q: Question, name: str, first: Inputs, second: Inputs, real: int, says: str) -> Pair:
    """A pair in which what is beyond ``real`` is hidden, if the model is told what to hide."""
    told, extra = q.padding[name].told, first[name].shape[1] - real

    def more(inputs: Inputs, hidden: int) -> dict[str, Any]:
        if told is None:
            return {}
        batch, length = inputs[name].shape[:2]
        shown = np.broadcast_to(np.arange(length) < length - hidden, (batch, length))
        return dict(told(inputs, shown))

    def more_at(batch: int, length: int) -> dict[str, Any]:
        return more({**first, name: np.zeros((batch, length))}, extra)

    inside = Region(positions=slice(0, real))
    outputs = inside if name in q.streams.together else Region()
    left, right = more(first, extra), more(second, second[name].shape[1] - real)
    return Pair(
        *(first, second, outputs, outputs, says, None, left, right, False, name, more_at),
        inside=inside,
    )


def look(q: Question) -> tuple[int, Any]:
    """Comparisons, and what is broken; raises NotAsked where the padding of a stream is unknown."""
    if not q.padding:
        raise NotAsked(
            "no padding is known: give padding=, the id that fills a batch, or a function (inputs, "
            "shown) -> the arguments that hide what is not shown"
        )
    q.same_in_any_shape()
    asked = 0
    for name in q.padding:
        try:
            more, broken = ask(q, functools.partial(_pairs, name), training=False, may_refuse=True)
        except NotAsked as reason:
            raise NotAsked(f"the padding of {name}: {reason}") from reason
        asked += more
        if broken:
            return asked, broken
    return asked, None
