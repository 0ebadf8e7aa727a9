"""The card of ALiBi as a module: which slopes, and what reaches them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import gathers
from npformer.cards.nn.positions.draws import call_bias, call_twin_bias, draw_queries
from npformer.cards.ordinary import only
from npformer.cards.strategies import Source
from npformer.nn.positions import AlibiPositions
from npformer.ops.alibi import alibi_backward, alibi_slopes

card = ModuleCard.of(AlibiPositions)
card.output = "BNTS"
card.call, card.call_twin = call_bias, call_twin_bias


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Numbers of heads that are powers of two and that are not; slopes constant and learned."""
    z, static = draw_queries(source)
    return z, {"build": (z["N"], source.choice((True, False))), **static}


@card.invariant("a key more before the others leaves their bias as it was", "from-the-start")
def _earlier(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The last query and the last key are the same token, however many keys there are."""
    if case.static["at"] is None:
        more = Case(case.inputs, {**case.static, "s": case.static["s"] + 1}, case.dy)
        yield Finding(component.forward(more)[..., 1:], result["y"], 2 * scales["y"])


@card.invariant("<dslopes, slopes> = <dy, y>", broken_by="mean-over-sentences")
def _linear(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """y is linear in the slopes."""
    if "slopes" not in case.inputs:
        return
    slopes, y = case.inputs["slopes"].astype(np.float64), result["y"].astype(np.float64)
    size = (scales["grad slopes"] * np.abs(slopes)).sum() + (scales["y"] * np.abs(case.dy)).sum()
    yield Finding((result["grad slopes"] * slopes).sum(), (case.dy * y).sum(), size)


card.invariant("a second backward adds to the first", "replaced")(gathers)


@card.wrong_method(
    "slopes-from-one",
    "the first head's slope is 1: exponents begin at 0",
    alibi_slopes,
    seen="paiml/aprender#2143",
    smallest="y (1, 1, 1, 1)",
    missed_by=only("a single token", lambda case: case.static["t"] == case.static["s"] == 1
                   and not case.static["at"]),
)  # fmt: skip
def _from_one(heads):
    return alibi_slopes(heads) * 2.0 ** (8 / 2 ** int(np.log2(heads)))


@card.wrong_method("no-power-of-two", "the formula for a power of two is taken for every number "
                   "of heads", alibi_slopes)  # fmt: skip
def _every_number(heads):
    return 2.0 ** (-8 / heads * np.arange(1, heads + 1))


@card.wrong_method("slopes-reversed", "the last head has the first one's slope", alibi_slopes)
def _reversed(heads):
    return alibi_slopes(heads)[::-1]


@card.wrong_method("frozen", "learned slopes get no gradient", AlibiPositions.bias_backward)
def _frozen(self, dy, cache):
    return None


@card.wrong_method("first-sentence", "of what was broadcast over the sentences, the first one's "
                   "share is kept", AlibiPositions.bias_backward)  # fmt: skip
def _first(self, dy, cache):
    self.bias_backward(dy[:1], cache)


@card.wrong_method("mean-over-sentences", "the mean over the sentences is taken, not their sum",
                   AlibiPositions.bias_backward)  # fmt: skip
def _mean(self, dy, cache):
    self.bias_backward(dy / max(len(dy), 1), cache)


@card.wrong_method("from-the-start", "the first query is taken to be at 0, whatever is kept",
                   AlibiPositions.bias)  # fmt: skip
def _from_the_start(self, t, s, at=None):
    return self.bias(t, s, 0)


@card.wrong_method("heads-summed", "every slope gets what reaches all heads",
                   AlibiPositions.bias_backward)  # fmt: skip
def _heads(self, dy, cache):
    if self.slopes is not None:
        every = alibi_backward(dy.sum(0), cache)
        self.slopes.accumulate(np.full_like(every, every.sum()))


@card.wrong_method("replaced", "a gradient takes the place of what the slopes have gathered, where "
                   "layers share them", AlibiPositions.bias_backward)  # fmt: skip
def _replaced(self, dy, cache):
    if self.slopes is not None:
        self.slopes.grad = None
    self.bias_backward(dy, cache)
