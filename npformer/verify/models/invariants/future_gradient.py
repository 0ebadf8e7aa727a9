"""No gradient flows from an output back to a later token."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.verify.models.question import NotAsked, Question, size
from npformer.verify.models.result import Broken

NAME = "future-gradient"
SENTENCE = "no output has a gradient with respect to a later token"


def look(q: Question) -> tuple[int, Any]:
    """Comparisons, and what is broken; raises NotAsked where there is no gradient to see."""
    if not q.causal:
        raise NotAsked("the model is not causal")
    asked = 0
    for length in q.lengths:
        for cut in sorted({1, length // 2, length - 1} - {0, length}):
            found = _leak(q, 2, length, cut)
            if found is None:
                raise NotAsked("no gradient reaches the inputs, or the vectors that ids look up")
            asked += 1
            if found:
                return asked, _smallest(q, length) or found[0]
    if not asked:
        raise NotAsked("no length has two positions")
    return asked, None


def _smallest(q: Question, length: int) -> Broken | None:
    for small in range(2, length + 1):
        for cut in range(1, small):
            if q.runs(small) and (found := _leak(q, 1, small, cut)):
                return found[0]
    return None


def _leak(q: Question, batch: int, length: int, cut: int) -> list[Broken] | None:
    """What reaches positions from ``cut`` on, of a gradient at those before; None if unseen."""
    for training in q.differentiable:
        run = q.run(q.draw(batch, length), training)
        dy = np.zeros(run.y.shape)
        dy[:, :cut] = q.rng(length, cut).standard_normal(dy[:, :cut].shape)
        q.subject.zero()
        dx = run.backward(dy).get(q.target)
        if dx is None or dx.shape[:2] != run.y.shape[:2]:
            return None
        units = q.units(dx[:, cut:], np.zeros_like(dx[:, cut:]), size(dx))
        if units > q.bound:
            gap = np.abs(dx[:, cut:]).reshape(batch, length - cut, -1).max((0, 2))
            at = cut + int(gap.argmax())
            what = (
                f"outputs before position {cut} send a gradient of {gap.max():.3g} to it or later"
            )
            mode = "training" if training else "evaluation"
            return [
                Broken(what, batch, length, mode, float(gap.max()), units, q.bound, (at, cut - 1))
            ]
    return []
