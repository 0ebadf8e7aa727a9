"""The card of the layer norm's module."""

from __future__ import annotations

from typing import Any

from npformer.cards.module_card import ModuleCard
from npformer.cards.ordinary import DX
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.layer_norm import LayerNorm
from npformer.ops.layer_norm import layer_norm_backward

card = ModuleCard.of(LayerNorm)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.parameters = {"weight": "D", "bias": "D"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Two sizes of eps, with a bias and without."""
    z = draw_sizes(source, "BTD", {"D": 1})
    build = (z["D"], source.choice((1e-5, 1e-3)))
    return z, {"build": build, "settings": {"bias": source.choice((True, False))}}


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
