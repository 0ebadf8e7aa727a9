"""The card of the feed-forward network."""

from __future__ import annotations

from typing import Any

from npformer.cards.case import Case
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_lengths, draw_settings
from npformer.cards.module_invariants import adds_up, own_positions, same_product
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


def _of_relu(case: Case) -> bool:
    return case.static["build"][2] == "relu"


card.invariant("a position's y is its own, whatever the others are", "mean-of-the-positions")(
    own_positions
)
card.invariant("of ReLU, both layers have the same product with their gradients",
               broken_by="activation-skipped")(
    same_product(("linear1.weight", "linear1.bias"), ("linear2.weight",), when=_of_relu)
)  # fmt: skip
card.invariant("two parts of a batch add up to the whole", "averaged-over-the-batch")(adds_up())


@card.wrong_method(
    "activation-skipped", "the activation is skipped on the way back", FeedForward.backward
)
def _skipped(self, dy, cache):
    return self.linear1.backward(self.linear2.backward(dy, cache.linear2), cache.linear1)


@card.wrong_method("activation-twice", "the activation's backward runs twice", Activation.backward)
def _run_twice(self, dy, cache):
    return self.backward(self.backward(dy, cache), cache)


@card.wrong_method("mean-of-the-positions", "what is hidden has the sentence's mean taken off",
                   FeedForward.forward)  # fmt: skip
def _centred(self, x):
    y, cache = self.forward(x)
    return (y - y.mean(axis=1, keepdims=True) if x.shape[1] else y), cache


@card.wrong_method("hidden-from-x", "the second matrix's gradient is made of what went into the "
                   "activation", FeedForward.backward)  # fmt: skip
def _before(self, dy, cache):
    h = cache.linear1.x @ self.linear1.weight.data.T
    h = h if self.linear1.bias is None else h + self.linear1.bias.data
    return self.backward(dy, cache._replace(linear2=cache.linear2._replace(x=h)))


@card.wrong_method("averaged-over-the-batch", "dy is divided by the number of sentences, as if the "
                   "loss had not been", FeedForward.backward)  # fmt: skip
def _averaged(self, dy, cache):
    return self.backward(dy / max(len(dy), 1), cache)
