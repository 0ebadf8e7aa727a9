"""The card of the linear layer that learns an update of low rank."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import own_positions, same_product
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.lora import LoRALinear
from npformer.ops.array import rows
from npformer.ops.linear import linear_forward
from npformer.ops.lora import lora_backward

card = ModuleCard.of(LoRALinear)
card.inputs, card.output = {"x": "BTI"}, "BTO"
card.frozen = lambda case: {name: ... for name in case.inputs if name.startswith("linear.")}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Ranks 1 to 3, with and without an alpha and a bias."""
    z = draw_sizes(source, "BTIO", {"I": 1, "O": 1})
    alpha = source.choice((None, 4.0, 0.5))
    return z, {
        "build": (z["I"], z["O"], source.choice((1, 2, 3)), alpha, source.choice((True, False)))
    }


card.invariant("both factors have the same product with their gradients",
               broken_by="up-and-down-exchanged")(same_product(("down",), ("up",)))  # fmt: skip
card.invariant("a position's y is its own, whatever the others are", "mean-of-the-positions")(
    own_positions
)


@card.invariant("with up at 0 it is the frozen layer, to the last bit", broken_by="starts-as-noise")
def _starts(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """And down gets no gradient: what it makes is not read."""
    start = case.with_inputs({"up": np.zeros_like(case.inputs["up"])})
    found = component.run(start)
    weight, bias = case.inputs["linear.weight"], case.inputs.get("linear.bias")
    yield Finding(found["y"], linear_forward(case.inputs["x"], weight, bias)[0], 0.0)
    yield Finding(found["grad down"], 0.0, 0.0)


@card.wrong_method("frozen-weight-trained", "the frozen weight gets its gradient",
                   LoRALinear.backward)  # fmt: skip
def _trained(self, dy, cache):
    self.linear.weight.trainable = True
    self.linear.weight.accumulate(rows(dy).T @ rows(cache.x))
    return self.backward(dy, cache)


@card.wrong_method("bias-trained", "the frozen bias gets its gradient", LoRALinear.backward)
def _bias_trained(self, dy, cache):
    if self.linear.bias is not None:
        self.linear.bias.trainable = True
        self.linear.bias.accumulate(rows(dy).sum(0))
    return self.backward(dy, cache)


@card.wrong_method("down-not-accumulated", "ddown is computed and dropped", LoRALinear.backward)
def _no_down(self, dy, cache):
    dx, _, dup = lora_backward(dy, cache)
    self.up.accumulate(dup)
    return dx


@card.wrong_method("alpha-alone", "the update is scaled by alpha, not by alpha / rank",
                   LoRALinear.forward)  # fmt: skip
def _alpha(self, x):
    with altered(self, scale=self.scale * len(self.down.data)):
        return self.forward(x)


@card.wrong_method("update-detached", "x gets the frozen layer's gradient alone",
                   LoRALinear.backward)  # fmt: skip
def _detached(self, dy, cache):
    self.backward(dy, cache)
    return (rows(dy) @ cache.weight).reshape(cache.x.shape)


@card.wrong_method("frozen-is-detached", "the frozen layer hands no gradient to x",
                   LoRALinear.backward)  # fmt: skip
def _frozen(self, dy, cache):
    return self.backward(dy, cache._replace(weight=np.zeros_like(cache.weight)))


@card.wrong_method("starts-as-noise", "up is added to, as if it had not started at 0",
                   LoRALinear.forward)  # fmt: skip
def _noise(self, x):
    y, cache = self.forward(x)
    return y + self.scale * x.sum(-1, keepdims=True), cache


@card.wrong_method("up-and-down-exchanged", "the two factors are given each other's gradient scale",
                   LoRALinear.backward)  # fmt: skip
def _exchanged(self, dy, cache):
    dx, ddown, dup = lora_backward(dy, cache)
    self.down.accumulate(ddown / cache.scale)
    self.up.accumulate(dup * cache.scale)
    return dx


@card.wrong_method("mean-of-the-positions", "the update has the sentence's mean taken off",
                   LoRALinear.forward)  # fmt: skip
def _centred(self, x):
    y, cache = self.forward(x)
    if not x.shape[1]:
        return y, cache
    update = self.scale * (x @ self.down.data.T @ self.up.data.T)
    return y - update.mean(axis=1, keepdims=True), cache
