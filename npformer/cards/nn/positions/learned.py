"""The card of learned positions."""

from __future__ import annotations

import numpy as np

from npformer.cards.module_card import ModuleCard
from npformer.cards.nn.positions.draws import added
from npformer.nn.positions import LearnedPositions

card = ModuleCard.of(LearnedPositions)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.only_adds = True
card.draw(added())


@card.wrong_method("one-sentence", "only the first sentence's share is kept, not the sum",
                   LearnedPositions.backward)  # fmt: skip
def _one_sentence(self, dy, cache):
    several = isinstance(cache.at, np.ndarray) and cache.at.ndim > 1
    self.backward(dy[:1], cache._replace(at=cache.at[:1]) if several else cache)
    return dy


@card.wrong_method("mean-for-sum", "the mean over the sentences is taken, not their sum",
                   LearnedPositions.backward)  # fmt: skip
def _mean(self, dy, cache):
    self.backward(dy / max(len(dy), 1), cache)
    return dy


@card.wrong_method("first-positions", "the gradient goes to the first rows of the table, not "
                   "to those that were read", LearnedPositions.backward)  # fmt: skip
def _first(self, dy, cache):
    self.backward(dy, cache._replace(at=0))
    return dy


@card.wrong_method("repeats-lost", "of a position that several tokens of a row have, one counts",
                   LearnedPositions.backward)  # fmt: skip
def _repeats(self, dy, cache):
    if not isinstance(cache.at, np.ndarray):
        return self.backward(dy, cache)
    dweight = np.zeros_like(self.weight.data)
    dweight[np.broadcast_to(cache.at, dy.shape[:2])] = dy
    self.weight.accumulate(dweight)
    return dy
