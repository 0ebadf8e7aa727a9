"""The card of the mixture of values and value embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import product
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.module import Parameter
from npformer.nn.value_mix import ValueMix

card = ModuleCard.of(ValueMix)
card.inputs, card.output = {"v": "BTGH", "row": "BTGH"}, "BTGH"
card.only_adds = True
card.words = {"dv": "dy times the first number", "drow": "dy times the second"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Values of several heads."""
    return draw_sizes(source, "BTGH"), {"build": ()}


@card.invariant("<dv, v> + <drow, row> is <dmix, mix>, and <dy, y>", broken_by="row-detached")
def _euler(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    (inputs, size), (mix, other) = (
        product(case, result, scales, names) for names in (("v", "row"), ("mix",))
    )
    yield Finding(inputs, mix, size + other)


@card.wrong_method("row-detached", "the row is taken for a constant, and its table does not learn",
                   ValueMix.backward)  # fmt: skip
def _row(self, dy, cache):
    dv, drow = self.backward(dy, cache)
    return dv, np.zeros_like(drow)


@card.wrong_method("mix-frozen", "the two numbers do not learn", ValueMix.backward)
def _frozen(self, dy, cache):
    self.mix.accumulate(np.zeros_like(self.mix.data))
    a, b = self.mix.data
    return a * dy, b * dy


@card.wrong_method("numbers-exchanged", "the first number multiplies the row", ValueMix.forward)
def _exchanged(self, v, row):
    with altered(self, mix=Parameter(self.mix.data[::-1].copy())):
        return self.forward(v, row)


@card.wrong_method("between-the-two", "one number goes from the values to the row: the second is "
                   "1 minus it", ValueMix.forward)  # fmt: skip
def _between(self, v, row):
    a = self.mix.data[0]
    with altered(self, mix=Parameter(np.stack([a, 1 - a]))):
        return self.forward(v, row)


@card.wrong_method("factors-dropped", "dy is handed on to both as it is", ValueMix.backward)
def _dropped(self, dy, cache):
    self.backward(dy, cache)
    return dy, dy.copy()


@card.wrong_method(
    "gradients-exchanged", "each number gets the other's gradient", ValueMix.backward
)
def _other(self, dy, cache):
    return self.backward(dy, cache._replace(v=cache.row, row=cache.v))
