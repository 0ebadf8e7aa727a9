"""No gradient flows from an output back to a later token."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.verify.models.calls import Calls, Region, layout
from npformer.verify.models.compare import grows_by, longer, watch, wider_by_one
from npformer.verify.models.first import Sized, first_leak
from npformer.verify.models.question import NotAsked, Question, size
from npformer.verify.models.result import Broken

NAME = "future-gradient"
SENTENCE = "no output has a gradient with respect to a later token"


def look(q: Question) -> tuple[int, Any]:
    """Comparisons, and what is broken; raises NotAsked where there is no gradient to see."""
    q.is_causal()
    asked = 0
    for length in q.lengths:
        for cut in sorted({1, length // 2, length - 1} - {0, length}):
            found = _leak(q, 2, length, cut)
            if found is None:
                raise NotAsked("no gradient reaches the inputs, or the vectors that ids look up")
            asked += 1
            if found:
                return asked, q.smallest(2, length, partial(_any_leak, q)) or found[0]
    if not asked:
        raise NotAsked("no length has two positions")
    return asked, None


def _any_leak(q: Question, length: int) -> Broken | None:
    leaks = (_leak(q, 1, length, cut) for cut in range(1, length))
    return next((found[0] for found in leaks if found), None)


def _leak(q: Question, batch: int, length: int, cut: int) -> list[Broken] | None:
    """What reaches positions from ``cut`` on, of a gradient at those before; None if unseen."""
    for training in q.differentiable:
        dx = _sent_back(q, batch, length, cut, training)
        if dx is None:
            return None
        units = q.units(dx[:, cut:], np.zeros_like(dx[:, cut:]), size(dx))
        if units > q.bound:
            gap = np.abs(dx[:, cut:]).reshape(batch, length - cut, -1).max((0, 2))
            at = cut + int(gap.argmax())
            by = float(gap.max())
            what = f"outputs before position {cut} send a gradient of {by:.3g} to it or later"
            mode = "training" if training else "evaluation"
            where = _first_module(q, batch, length, cut, training)
            return [Broken(what, batch, length, mode, by, units, q.bound, (at, cut - 1), *where)]
    return []


def _sent_back(q: Question, batch: int, length: int, cut: int, training: bool) -> Array | None:
    """The inputs' gradient (B, T, ...) of a dy that is 0 from ``cut`` on; None if there is none."""
    run = q.run(q.draw(batch, length), training)
    dy = np.zeros(run.y.shape)
    dy[:, :cut] = q.rng(length, cut).standard_normal(dy[:, :cut].shape)
    q.subject.zero()
    dx = run.backward(dy).get(q.target)
    return None if dx is None or dx.shape[:2] != run.y.shape[:2] else dx


def _first_module(
    q: Question, batch: int, length: int, cut: int, training: bool
) -> tuple[str | None, str]:
    """Path and kind of the first module whose backward brings the gradient there."""
    inputs, growth = q.draw(batch, length), grows_by(q, length)
    try:
        watched = Calls()
        with q.subject.watching(watched):
            _sent_back(q, batch, length, cut, training)
        more = watch(q, longer(q, inputs, q.target, growth), training)
        wider = watch(q, wider_by_one(inputs), training)
    except Exception:  # a length that the model refuses, a hook that it does not bear
        return None, ""

    def is_zero(part: Array, whole: Array) -> bool:
        return q.units(part, np.zeros_like(part), size(whole)) <= q.bound

    where = layout(watched, more, wider, batch, length, growth)
    found = first_leak(
        Sized(watched, batch, length, Region(positions=slice(cut, length))), where, is_zero
    )
    return (None, "") if found is None else (found.path, found.kind)
