"""The card of the layer norm's module."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import adds_up, gathers, own_positions
from npformer.cards.ordinary import DX
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.layer_norm import LayerNorm
from npformer.ops.layer_norm import layer_norm_backward, layer_norm_forward

card = ModuleCard.of(LayerNorm)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.parameters = {"weight": "D", "bias": "D"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Two sizes of eps, with a bias and without."""
    z = draw_sizes(source, "BTD", {"D": 1})
    build = (z["D"], source.choice((1e-5, 1e-3)))
    return z, {"build": build, "settings": {"bias": source.choice((True, False))}}


card.invariant("a position's y is its own, whatever the others are", "over-the-sentence")(
    own_positions
)
card.invariant("two parts of a batch add up to the whole", "bias-averaged")(adds_up())
card.invariant("a second backward adds to the first", "replaced")(gathers)


@card.wrong_method(
    "gradients-exchanged",
    "dweight and dbias change places",
    LayerNorm.backward,
    seen="Oneflow-Inc/oneflow#6149",
    smallest="x (1, 1, 1)",
    missed_by=DX,
)
def _exchanged(self, dy, cache):
    if self.bias is None:
        return self.backward(dy, cache)
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    self.weight.accumulate(dbias)
    self.bias.accumulate(dweight)
    return dx


@card.wrong_method("replaced", "a gradient takes the place of what the weight has gathered",
                   LayerNorm.backward)  # fmt: skip
def _replaced(self, dy, cache):
    dx = self.backward(dy, cache)
    self.weight.grad = np.array(layer_norm_backward(dy, cache)[1])
    return dx


@card.wrong_method("bias-averaged", "dbias is averaged over the rows", LayerNorm.backward)
def _averaged(self, dy, cache):
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    self.weight.accumulate(dweight)
    if self.bias is not None:
        self.bias.accumulate(dbias / max(dy[..., 0].size, 1))
    return dx


def _bias(norm):
    return np.zeros_like(norm.weight.data) if norm.bias is None else norm.bias.data


@card.wrong_method("over-the-sentence", "mean and variance run over the positions as well",
                   LayerNorm.forward)  # fmt: skip
def _positions(self, x):
    y, cache = self.forward(x)
    if not x.shape[1]:
        return y, cache
    axes = tuple(range(1, x.ndim))
    centred = x - x.mean(axis=axes, keepdims=True)
    xhat = centred / np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + self.eps)
    return xhat * self.weight.data + _bias(self), cache


@card.wrong_method("eps-of-the-default", "the module's own eps is not handed on", LayerNorm.forward)
def _eps(self, x):
    return layer_norm_forward(x, self.weight.data, _bias(self), eps=1e-12)


@card.wrong_method("bias-ignored", "the bias is left out of the forward",
                   LayerNorm.forward)  # fmt: skip
def _no_bias(self, x):
    y, cache = self.forward(x)
    return y - _bias(self), cache
