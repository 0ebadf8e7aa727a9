"""The card of the RMS norm's module."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.module_card import ModuleCard
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
