"""The card of learned positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import adds_up, gathers, zeros_elsewhere
from npformer.cards.nn.positions.draws import added
from npformer.nn.positions import LearnedPositions

card = ModuleCard.of(LearnedPositions)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.only_adds = True
card.draw(added())


def _read(case: Case) -> Array:
    """The rows of the table that a case reads."""
    at, dy = case.static["at"], case.dy
    if not dy.size:
        return np.zeros(0, np.int64)
    return np.unique(at) if isinstance(at, np.ndarray) else at + np.arange(dy.shape[1])


@card.invariant("the table's gradients sum to those of the tokens", broken_by="mean-for-sum")
def _total(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    size = scales["grad weight"].sum(axis=0) + scales["dx"].sum(axis=(0, 1))
    total = result["grad weight"].astype(np.float64).sum(axis=0)
    yield Finding(total, case.dy.astype(np.float64).sum(axis=(0, 1)), size)


card.invariant("positions that no token has get 0", broken_by="first-positions")(
    zeros_elsewhere("weight", _read)
)
card.invariant("two parts of a batch add up to the whole", broken_by="one-sentence")(adds_up("at"))
card.invariant("a second backward adds to the first", broken_by="replaced")(gathers)


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


@card.wrong_method("frozen", "the table is taken for a constant and gets no gradient",
                   LearnedPositions.backward)  # fmt: skip
def _frozen(self, dy, cache):
    return dy


@card.wrong_method("replaced", "a gradient takes the place of what the table has gathered",
                   LearnedPositions.backward)  # fmt: skip
def _replaced(self, dy, cache):
    self.weight.grad = None
    return self.backward(dy, cache)


@card.wrong_method("input-detached", "the table alone learns: nothing goes back to the tokens",
                   LearnedPositions.backward)  # fmt: skip
def _input(self, dy, cache):
    return np.zeros_like(self.backward(dy, cache))


@card.wrong_method("from-the-start", "a later piece of a sentence gets the first positions",
                   LearnedPositions.forward)  # fmt: skip
def _from_the_start(self, x, at=0):
    return self.forward(x, at if isinstance(at, np.ndarray) else 0)


@card.wrong_method("first-sentence", "every sentence gets the first one's positions",
                   LearnedPositions.forward)  # fmt: skip
def _first_sentence(self, x, at=0):
    several = isinstance(at, np.ndarray) and at.ndim > 1 and len(x)
    return self.forward(x, at[0] if several else at)


@card.wrong_method("table-scaled", "the sum is multiplied by sqrt(D), not the token's part alone",
                   LearnedPositions.forward)  # fmt: skip
def _scaled(self, x, at=0):
    y, cache = self.forward(x, at)
    return x + (y - x) * float(np.sqrt(x.shape[-1])) + (y - x), cache
