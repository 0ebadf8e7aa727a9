"""The card of the layer scalar's module."""

from __future__ import annotations

from typing import Any

from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import adds_up, own_positions
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.layer_scalar import LayerScalar
from npformer.ops.layer_scalar import layer_scalar_backward

card = ModuleCard.of(LayerScalar)
card.inputs, card.output = {"x": "BTD"}, "BTD"


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Any x; whether the number is learned, gradients of x do not tell."""
    return draw_sizes(source, "BTD"), {"build": (), "settings": {}}


card.invariant("a position's y is its own, whatever the others are", "mean-of-y-taken")(
    own_positions
)
card.invariant("two parts of a batch add up to the whole", "first-sentence-alone")(adds_up())


@card.wrong_method("mean-of-y-taken", "y is multiplied by the mean of x's row too",
                   LayerScalar.forward)  # fmt: skip
def _mean(self, x):
    y, cache = self.forward(x)
    return y * x.mean(axis=1, keepdims=True) if x.shape[1] else y, cache


@card.wrong_method("dropped", "the number is read and not applied", LayerScalar.forward)
def _dropped(self, x):
    return x, self.forward(x)[1]


@card.wrong_method("weight-not-accumulated", "dweight is made and dropped", LayerScalar.backward)
def _lost(self, dy, cache):
    return layer_scalar_backward(dy, cache)[0]


@card.wrong_method("first-sentence-alone", "dweight is that of the first sentence",
                   LayerScalar.backward)  # fmt: skip
def _first(self, dy, cache):
    dx, _ = layer_scalar_backward(dy, cache)
    self.weight.accumulate((dy[:1] * cache.x[:1]).sum()[None].astype(dy.dtype))
    return dx
