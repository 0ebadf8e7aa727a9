"""The card of the linear layer."""

from __future__ import annotations

from typing import Any

from npformer.cards.module_card import ModuleCard
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


@card.wrong_method("bias-not-accumulated", "dbias is computed and dropped", Linear.backward)
def _no_bias(self, dy, cache):
    dx, dweight, _ = linear_backward(dy, cache)
    self.weight.accumulate(dweight)
    return dx
