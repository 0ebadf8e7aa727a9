"""The card of what a layer does with its row of the per-layer embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Case
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_lengths
from npformer.cards.module_invariants import own_positions, same_product
from npformer.cards.strategies import Source
from npformer.nn.gated_activation import GATED_ACTIVATIONS
from npformer.nn.per_layer_gate import PerLayerGate, PerLayerGateCache

card = ModuleCard.of(PerLayerGate)
card.inputs, card.output = {"x": "BTD", "row": "BTP"}, "BTD"
card.words = {"drow": "what the open gate lets back"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Every gated activation."""
    b, t, _ = draw_lengths(source)
    sizes = {"B": b, "T": t, "D": source.choice((4, 7)), "P": source.choice((3, 5))}
    activation = source.choice(tuple(GATED_ACTIVATIONS))
    return sizes, {"build": (sizes["D"], sizes["P"], activation)}


def _unclamped(case: Case) -> bool:
    return case.static["build"][2] != "swiglu_clamped"


card.invariant("a row and what projects it have the same product with their gradients",
               broken_by="row-detached")(
    same_product(("row",), ("up_proj.weight",), when=_unclamped)
)  # fmt: skip
card.invariant("a position's y is its own, whatever the others are", "mean-of-the-positions")(
    own_positions
)


@card.wrong_method("row-detached", "the row is taken for a constant", PerLayerGate.backward)
def _row(self, dy, cache):
    dx, drow = self.backward(dy, cache)
    return dx, np.zeros_like(drow)


@card.wrong_method("gate-detached", "the gate is taken for a constant, and x gets no gradient",
                   PerLayerGate.backward)  # fmt: skip
def _gate(self, dy, cache):
    dx, drow = self.backward(dy, cache)
    return np.zeros_like(dx), drow


@card.wrong_method("gate-frozen", "the gate's matrix does not learn", PerLayerGate.backward)
def _frozen(self, dy, cache):
    dh = self.up_proj.backward(dy, cache.up_proj)
    dgate, drow = self.activation.backward(dh, cache.activation)
    self.gate_proj.weight.accumulate(np.zeros_like(self.gate_proj.weight.data))
    return dgate @ self.gate_proj.weight.data, drow


@card.wrong_method("row-is-the-gate", "the row goes through the activation, and is multiplied by "
                   "the gate", PerLayerGate.forward)  # fmt: skip
def _exchanged(self, x, row):
    gate, gate_proj = self.gate_proj.forward(x)
    h, activation = self.activation.forward(row, gate)
    y, up_proj = self.up_proj.forward(h)
    return y, PerLayerGateCache(gate_proj, activation, up_proj)


@card.wrong_method("gate-always-open", "the row is projected whole, whatever the gate says",
                   PerLayerGate.forward)  # fmt: skip
def _open(self, x, row):
    _, cache = self.forward(x, row)
    return self.up_proj.forward(row)[0], cache


@card.wrong_method("mean-of-the-positions", "y has the sentence's mean taken off",
                   PerLayerGate.forward)  # fmt: skip
def _centred(self, x, row):
    y, cache = self.forward(x, row)
    return (y - y.mean(axis=1, keepdims=True) if x.shape[1] else y), cache
