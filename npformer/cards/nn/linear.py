"""The card of the linear layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import gathers, own_positions, same_product
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.linear import Linear
from npformer.ops.linear import linear_backward

card = ModuleCard.of(Linear)
card.inputs, card.output = {"x": "BTI"}, "BTO"
card.parameters = {"weight": "OI", "bias": "O"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """With and without bias."""
    z = draw_sizes(source, "BTIO", {"I": 1, "O": 1})
    return z, {"build": (z["I"], z["O"], source.choice((True, False)))}


card.invariant("<dx, x> = <dweight, weight>", broken_by="weight-averaged")(
    same_product(("x",), ("weight",))
)
card.invariant("a position's y is its own, whatever the others are", "mean-of-the-positions")(
    own_positions
)
card.invariant("a second backward adds to the first", "replaced")(gathers)


@card.wrong_method("bias-not-accumulated", "dbias is computed and dropped", Linear.backward)
def _no_bias(self, dy, cache):
    dx, dweight, _ = linear_backward(dy, cache)
    self.weight.accumulate(dweight)
    return dx


@card.wrong_method("weight-averaged", "dweight is averaged over batch and positions",
                   Linear.backward)  # fmt: skip
def _averaged(self, dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    self.weight.accumulate(dweight / max(dy[..., 0].size, 1))
    if self.bias is not None:
        self.bias.accumulate(dbias)
    return dx


@card.wrong_method("replaced", "a gradient takes the place of what the weight has gathered",
                   Linear.backward)  # fmt: skip
def _replaced(self, dy, cache):
    dx = self.backward(dy, cache)
    self.weight.grad = np.array(linear_backward(dy, cache)[1])
    return dx


@card.wrong_method("in-first", "a weight (in, out) is reshaped and not transposed", Linear.forward)
def _in_first(self, x):
    weight = self.weight.data
    y = x @ weight.reshape(weight.T.shape)
    return y if self.bias is None else y + self.bias.data, self.forward(x)[1]


@card.wrong_method("mean-of-the-positions", "every position gets the sentence's mean taken off",
                   Linear.forward)  # fmt: skip
def _centred(self, x):
    y, cache = self.forward(x)
    return (y - y.mean(axis=1, keepdims=True) if x.shape[1] else y), cache
