"""The card of the activation."""

from __future__ import annotations

from typing import Any

from npformer.cards.module_card import ModuleCard
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.activation import ACTIVATIONS, Activation
from npformer.seam import Call

card = ModuleCard.of(Activation)
card.inputs, card.output = {"x": "BTD"}, "BTD"


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Every activation."""
    return draw_sizes(source, "BTD"), {"build": (source.choice(tuple(ACTIVATIONS)),)}


def _op(module: Activation) -> str:
    forward = ACTIVATIONS[module.name][0]
    return Call(getattr(forward, "func", forward)).pair


card.calls = _op


@card.wrong_method("forward-only", "the gradient goes back as if there were none",
                   Activation.backward)  # fmt: skip
def _identity(self, dy, cache):
    return dy
