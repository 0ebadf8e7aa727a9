"""The card of the short causal convolution's module."""

from __future__ import annotations

from typing import Any

from npformer.cards.module_card import ModuleCard
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.causal_conv1d import CausalConv1d
from npformer.ops.causal_conv1d import causal_conv1d_backward

card = ModuleCard.of(CausalConv1d)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.parameters = {"weight": "DK", "bias": "D"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """With and without a bias."""
    z = draw_sizes(source, "BTDK", {"D": 1, "K": 1})
    return z, {"build": (z["D"], z["K"], source.choice((True, False)))}


@card.wrong_method("bias-not-accumulated", "dbias is computed and dropped", CausalConv1d.backward)
def _no_bias(self, dy, cache):
    dx, dweight, _ = causal_conv1d_backward(dy, cache)
    self.weight.accumulate(dweight)
    return dx


@card.wrong_method(
    "newest-first-in-training", "dweight is added newest first", CausalConv1d.backward
)
def _newest_first(self, dy, cache):
    dx, dweight, dbias = causal_conv1d_backward(dy, cache)
    self.weight.accumulate(dweight[:, ::-1])
    if self.bias is not None:
        self.bias.accumulate(dbias)
    return dx
