"""The card of the gated feed-forward network."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Case
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_lengths, draw_settings
from npformer.cards.module_invariants import own_positions, same_product
from npformer.cards.ordinary import DX
from npformer.cards.strategies import Source
from npformer.nn.gated_activation import GATED_ACTIVATIONS
from npformer.nn.gated_feed_forward import GatedFeedForward, GatedFeedForwardCache

card = ModuleCard.of(GatedFeedForward)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.words = {"dx": "the sum of what gate_proj and up_proj return"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Every gated activation, with biases and without."""
    c = draw_settings(source)
    b, t, _ = draw_lengths(source)
    sizes = {"B": b, "T": t, "D": c["d_model"]}
    activation = source.choice(tuple(GATED_ACTIVATIONS))
    settings = {"bias": source.choice((True, False))}
    return sizes, {"build": (c["d_model"], c["d_ff"], activation), "settings": settings}


def _unclamped(case: Case) -> bool:
    return case.static["build"][2] != "swiglu_clamped"


card.invariant("<dx, x> is the sum of both projections' products", broken_by="up-path-dropped")(
    same_product(("x",), ("gate_proj.weight", "up_proj.weight"))
)
card.invariant("what goes up and what goes down have the same product with their gradients",
               broken_by="down-of-the-gate-alone")(
    same_product(("up_proj.weight", "up_proj.bias"), ("down_proj.weight",), when=_unclamped)
)  # fmt: skip
card.invariant("a position's y is its own, whatever the others are", "mean-of-the-positions")(
    own_positions
)


@card.wrong_method(
    "up-path-dropped", "x gets what gate_proj returns, and not up_proj's", GatedFeedForward.backward
)
def _up_dropped(self, dy, cache):
    dh = self.down_proj.backward(dy, cache.down_proj)
    dgate, dup = self.activation.backward(dh, cache.activation)
    self.up_proj.backward(dup, cache.up_proj)
    return self.gate_proj.backward(dgate, cache.gate_proj)


@card.wrong_method(
    "activation-skipped", "dh goes on to both projections as it is", GatedFeedForward.backward
)
def _skipped(self, dy, cache):
    dh = self.down_proj.backward(dy, cache.down_proj)
    dx = self.gate_proj.backward(dh, cache.gate_proj)
    return dx + self.up_proj.backward(dh, cache.up_proj)


@card.wrong_method(
    "projections-exchanged",
    "gate_proj and up_proj change places, as in a fused matrix of the other order",
    GatedFeedForward.forward,
)
def _exchanged(self, x):
    up, first = self.gate_proj.forward(x)
    gate, second = self.up_proj.forward(x)
    h, activation = self.activation.forward(gate, up)
    y, down_proj = self.down_proj.forward(h)
    return y, GatedFeedForwardCache(first, second, activation, down_proj)


@card.wrong_method(
    "down-of-the-gate-alone",
    "what down_proj read is computed anew without up: the gradient of its weight is wrong",
    GatedFeedForward.backward,
    seen="fla-org/flash-linear-attention#1071",
    smallest="x (1, 1, 2)",
    missed_by=DX,
)
def _before_up(self, dy, cache):
    gate, up = cache.activation.gate, cache.activation.up
    h, _ = self.activation.forward(gate, np.ones_like(up))
    return self.backward(dy, cache._replace(down_proj=cache.down_proj._replace(x=h)))


@card.wrong_method(
    "gate-path-dropped",
    "x gets what up_proj returns, and not gate_proj's",
    GatedFeedForward.backward,
)
def _gate_dropped(self, dy, cache):
    dh = self.down_proj.backward(dy, cache.down_proj)
    dgate, dup = self.activation.backward(dh, cache.activation)
    self.gate_proj.backward(dgate, cache.gate_proj)
    return self.up_proj.backward(dup, cache.up_proj)


@card.wrong_method(
    "gradients-exchanged", "dgate goes back through up_proj, and dup through gate_proj",
    GatedFeedForward.backward,
)  # fmt: skip
def _back_exchanged(self, dy, cache):
    dh = self.down_proj.backward(dy, cache.down_proj)
    dgate, dup = self.activation.backward(dh, cache.activation)
    dx = self.gate_proj.backward(dup, cache.gate_proj)
    return dx + self.up_proj.backward(dgate, cache.up_proj)


@card.wrong_method(
    "up-frozen", "up_proj's backward is never run: its weight stays", GatedFeedForward.backward
)
def _frozen(self, dy, cache):
    dh = self.down_proj.backward(dy, cache.down_proj)
    dgate, dup = self.activation.backward(dh, cache.activation)
    dx = self.gate_proj.backward(dgate, cache.gate_proj)
    return dx + dup @ self.up_proj.weight.data


@card.wrong_method(
    "gate-read-twice",
    "up is made by gate_proj too: the gate gates itself",
    GatedFeedForward.forward,
)
def _itself(self, x):
    gate, first = self.gate_proj.forward(x)
    h, activation = self.activation.forward(gate, gate)
    y, down_proj = self.down_proj.forward(h)
    return y, GatedFeedForwardCache(first, first, activation, down_proj)


@card.wrong_method("mean-of-the-positions", "y has the sentence's mean taken off",
                   GatedFeedForward.forward)  # fmt: skip
def _centred(self, x):
    y, cache = self.forward(x)
    return (y - y.mean(axis=1, keepdims=True) if x.shape[1] else y), cache
