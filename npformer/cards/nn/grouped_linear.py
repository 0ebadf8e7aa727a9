"""The card of the grouped linear layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import gathers, same_product
from npformer.cards.strategies import Source, draw_rng, draw_sizes
from npformer.nn.grouped_linear import GroupedLinear
from npformer.nn.module import Parameter

card = ModuleCard.of(GroupedLinear)
card.inputs, card.output = {"x": "PI"}, "PO"
card.parameters = {"weight": "EOI", "bias": "EO"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """With and without bias; experts with many rows, few and none."""
    sizes = draw_sizes(source, "PIOE", {"I": 1, "O": 1, "E": 1})
    share = draw_rng(source).dirichlet(np.full(sizes["E"], 0.5))
    rows = draw_rng(source).multinomial(sizes["P"], share)
    build = (sizes["E"], sizes["I"], sizes["O"], source.choice((True, False)))
    return sizes, {"build": build, "group_sizes": rows}


card.invariant("<dx, x> = <dweight, weight>", "weight-of-the-first")(
    same_product(("x",), ("weight",))
)
card.invariant("a second backward adds to the first", "gradient-replaced")(gathers)


@card.wrong_method("bias-frozen", "the biases stay as they are", GroupedLinear.backward)
def _bias_frozen(self, dy, cache):
    return self.backward(dy, cache._replace(has_bias=False))


@card.wrong_method("weight-of-the-first", "the first expert alone learns", GroupedLinear.backward)
def _first(self, dy, cache):
    before = None if self.weight.grad is None else self.weight.grad[1:].copy()
    dx = self.backward(dy, cache)
    self.weight.grad[1:] = 0 if before is None else before
    return dx


@card.wrong_method("sizes-reversed", "the last expert's rows come first", GroupedLinear.forward)
def _reversed(self, x, group_sizes):
    return self.forward(x, group_sizes[::-1])


@card.wrong_method("one-for-all", "the first expert's matrix serves all", GroupedLinear.forward)
def _one(self, x, group_sizes):
    y, cache = self.forward(x, group_sizes)
    every = np.zeros_like(group_sizes)
    every[0] = len(x)
    return self.forward(x, every)[0], cache


@card.wrong_method(
    "gradient-replaced", "a gradient takes the place of what was there", Parameter.accumulate
)
def _replaced(self, gradient):
    self.grad = np.array(gradient)


@card.wrong_method(
    "bias-of-the-first", "every expert adds the first one's bias", GroupedLinear.forward
)
def _bias(self, x, group_sizes):
    y, cache = self.forward(x, group_sizes)
    if self.bias is None:
        return y, cache
    own = np.repeat(self.bias.data, group_sizes, axis=0)
    return y - own + self.bias.data[:1], cache


@card.wrong_method(
    "next-matrix", "dx goes through the next expert's matrix", GroupedLinear.backward
)
def _next(self, dy, cache):
    turned = cache._replace(weight=np.roll(cache.weight, 1, axis=0))
    return self.backward(dy, turned)


@card.wrong_method(
    "mean-of-the-rows", "the gradients are divided by the number of rows", GroupedLinear.backward
)
def _mean(self, dy, cache):
    count = max(len(dy), 1)
    return self.backward(dy / count, cache) * count
