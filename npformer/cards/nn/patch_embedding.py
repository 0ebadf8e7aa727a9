"""The card of patch embedding's module."""

from __future__ import annotations

from typing import Any

from npformer.cards.module_card import ModuleCard
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.patch_embedding import PatchEmbedding
from npformer.ops.patch_embedding import patch_embedding_backward

card = ModuleCard.of(PatchEmbedding)
card.inputs, card.output = {"x": "BCYX"}, "BLD"
card.parameters = {"weight": "DCPP", "bias": "D"}
card.causal = lambda static: None


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """With and without a bias; of more rows than columns, and fewer."""
    z = draw_sizes(source, "BCDYX", {"C": 1, "D": 1, "Y": 1, "X": 1})
    side = source.choice((2, 1, 3))
    sizes = {**z, "Y": z["Y"] * side, "X": z["X"] * side, "L": z["Y"] * z["X"], "P": side}
    return sizes, {"build": (z["C"], z["D"], side, source.choice((True, False)))}


@card.wrong_method("bias-not-accumulated", "dbias is computed and dropped", PatchEmbedding.backward)
def _no_bias(self, dy, cache):
    dx, dweight, _ = patch_embedding_backward(dy, cache)
    self.weight.accumulate(dweight)
    return dx


@card.wrong_method(
    "weight-turned-in-training", "dweight's rows and columns change places", PatchEmbedding.backward
)
def _turned(self, dy, cache):
    dx, dweight, dbias = patch_embedding_backward(dy, cache)
    self.weight.accumulate(dweight.swapaxes(2, 3))
    if self.bias is not None:
        self.bias.accumulate(dbias)
    return dx
