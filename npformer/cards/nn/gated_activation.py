"""The card of the gated activation."""

from __future__ import annotations

from typing import Any

from npformer.cards.module_card import ModuleCard
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.gated_activation import GATED_ACTIVATIONS, GatedActivation
from npformer.seam import Call

card = ModuleCard.of(GatedActivation)
card.inputs, card.output = {"gate": "BTF", "up": "BTF"}, "BTF"


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Every gated activation."""
    return draw_sizes(source, "BTF"), {"build": (source.choice(tuple(GATED_ACTIVATIONS)),)}


def _op(module: GatedActivation) -> str:
    forward = GATED_ACTIVATIONS[module.name][0]
    return Call(getattr(forward, "func", forward)).pair


card.calls = _op


@card.wrong_method("gradients-exchanged", "dgate and dup change places", GatedActivation.backward)
def _exchanged(self, dy, cache):
    dgate, dup = self.backward(dy, cache)
    return dup, dgate


@card.wrong_method("halves-exchanged", "up goes in where the gate belongs", GatedActivation.forward)
def _halves(self, gate, up):
    return self.forward(up, gate)
