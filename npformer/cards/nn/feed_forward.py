"""The card of the feed-forward network."""

from __future__ import annotations

from typing import Any

from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_lengths, draw_settings
from npformer.cards.strategies import Source
from npformer.nn.activation import ACTIVATIONS, Activation
from npformer.nn.feed_forward import FeedForward

card = ModuleCard.of(FeedForward)
card.inputs, card.output = {"x": "BTD"}, "BTD"


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Every activation, with biases and without."""
    c = draw_settings(source)
    b, t, _ = draw_lengths(source)
    sizes = {"B": b, "T": t, "D": c["d_model"]}
    activation = source.choice(tuple(ACTIVATIONS))
    settings = {"bias": source.choice((True, False))}
    return sizes, {"build": (c["d_model"], c["d_ff"], activation), "settings": settings}


@card.wrong_method(
    "activation-skipped", "the activation is skipped on the way back", FeedForward.backward
)
def _skipped(self, dy, cache):
    return self.linear1.backward(self.linear2.backward(dy, cache.linear2), cache.linear1)


@card.wrong_method("activation-twice", "the activation's backward runs twice", Activation.backward)
def _run_twice(self, dy, cache):
    return self.backward(self.backward(dy, cache), cache)
