"""The card of the RMS norm's module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import own_positions
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.rms_norm import RMSNorm
from npformer.ops.rms_norm import rms_norm_backward, rms_norm_forward

card = ModuleCard.of(RMSNorm)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.parameters = {"weight": "D"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """With a weight, with 1 + weight, and without; two sizes of eps."""
    z = draw_sizes(source, "BTD", {"D": 1})
    settings = source.choice(({}, {"plus_one": True}, {"weight": False}))
    return z, {"build": (z["D"], source.choice((1e-5, 1e-3))), "settings": settings}


card.invariant("a position's y is its own, whatever the others are", "over-the-sentence")(
    own_positions
)


@card.invariant("1 + weight is a weight that is larger by 1", broken_by="one-forgotten")
def _larger(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """In y, and in both gradients: the 1 is a constant."""
    if not case.static["settings"].get("plus_one"):
        return
    weight = case.inputs["weight"]
    plain = Case(
        {**case.inputs, "weight": (1 + weight).astype(weight.dtype)},
        {**case.static, "settings": {}},
        case.dy,
    )
    for name, value in component.run(plain).items():
        yield Finding(value, result[name], 2 * scales[name])


@card.wrong_method("eps-of-the-default", "the module's own eps is not handed on", RMSNorm.forward)
def _eps(self, x):
    weight = None if self.weight is None else self.weight.data
    return rms_norm_forward(x, weight, eps=1e-6, plus_one=self.plus_one)


@card.wrong_method("one-forgotten", "plus_one is not handed on: the weight alone", RMSNorm.forward)
def _plain(self, x):
    return rms_norm_forward(x, None if self.weight is None else self.weight.data, eps=self.eps)


@card.wrong_method("weight-ignored", "the weight is never applied", RMSNorm.forward)
def _ignored(self, x):
    y, cache = rms_norm_forward(x, None, eps=self.eps)
    return y, cache if self.weight is None else cache._replace(scale=np.ones_like(self.weight.data))


@card.wrong_method(
    "weight-gradient-subtracted", "dweight is subtracted, not added", RMSNorm.backward
)
def _subtracted(self, dy, cache):
    dx, dweight = rms_norm_backward(dy, cache)
    if self.weight is not None and dweight is not None:
        self.weight.accumulate(-dweight)
    return dx


@card.wrong_method("weight-not-accumulated", "dweight is made and dropped", RMSNorm.backward)
def _dropped(self, dy, cache):
    return rms_norm_backward(dy, cache)[0]


@card.wrong_method("two-for-one", "1 is added to the weight twice", RMSNorm.forward)
def _two(self, x):
    if not self.plus_one:
        return self.forward(x)
    return rms_norm_forward(x, 1 + self.weight.data, eps=self.eps, plus_one=True)


@card.wrong_method("one-always", "1 is added to a weight that begins at 1", RMSNorm.forward)
def _always(self, x):
    if self.weight is None:
        return self.forward(x)
    return rms_norm_forward(x, self.weight.data, eps=self.eps, plus_one=True)


@card.wrong_method("over-the-sentence", "the mean runs over the positions as well", RMSNorm.forward)
def _positions(self, x):
    y, cache = self.forward(x)
    if not x.shape[1]:
        return y, cache
    rstd = (1 / np.sqrt((x * x).mean((-2, -1), keepdims=True) + self.eps)).astype(x.dtype)
    return y / cache.rstd * rstd, cache._replace(xhat=x * rstd, rstd=rstd)
