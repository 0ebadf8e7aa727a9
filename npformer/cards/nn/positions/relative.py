"""The card of T5's relative bias as a module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import gathers
from npformer.cards.nn.positions.draws import call_bias, call_twin_bias, draw_queries
from npformer.cards.strategies import Source
from npformer.nn.positions import RelativePositions
from npformer.ops.relative_bias import relative_bias_backward

card = ModuleCard.of(RelativePositions)
card.output = "BNTS"
card.only_adds = True  # what it calls looks up and adds, and it adds over the sentences itself
card.call, card.call_twin = call_bias, call_twin_bias


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Both directions and one; few buckets, of which the last is met."""
    z, static = draw_queries(source)
    build = (z["N"], source.choice((8, 32)), source.choice((20, 128)), source.choice((False, True)))
    return z, {"build": build, **static}


@card.invariant("the weight's gradients sum to those of the bias", broken_by="first-sentence")
def _total(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Each entry of the bias is one of the weight's: of each head, all gradients arrive."""
    size = scales["grad weight"].sum(axis=0) + np.abs(case.dy).sum(axis=(0, 2, 3))
    total = result["grad weight"].astype(np.float64).sum(axis=0)
    yield Finding(total, case.dy.astype(np.float64).sum(axis=(0, 2, 3)), size)


@card.invariant("a key more before the others leaves their bias as it was", "from-the-start")
def _earlier(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The last query and the last key are the same token, however many keys there are."""
    if case.static["at"] is None:
        more = Case(case.inputs, {**case.static, "s": case.static["s"] + 1}, case.dy)
        yield Finding(component.forward(more)[..., 1:], result["y"], 0.0)


card.invariant("a second backward adds to the first", "overwritten")(gathers)


@card.wrong_method("first-sentence", "of what was broadcast over the sentences, the first one's "
                   "share is kept", RelativePositions.bias_backward)  # fmt: skip
def _first(self, dy, cache):
    self.bias_backward(dy[:1], cache)


@card.wrong_method("mean-over-sentences", "the mean over the sentences is taken, not their sum",
                   RelativePositions.bias_backward)  # fmt: skip
def _mean(self, dy, cache):
    self.bias_backward(dy / max(len(dy), 1), cache)


@card.wrong_method("frozen", "the weight gets no gradient", RelativePositions.bias_backward)
def _frozen(self, dy, cache):
    return None


@card.wrong_method("overwritten", "a second layer's gradient takes the place of the first's, where "
                   "both read one bias", RelativePositions.bias_backward)  # fmt: skip
def _overwritten(self, dy, cache):
    half = dy / 2  # as if it came in two parts
    self.weight.grad = np.array(relative_bias_backward(half.sum(0), cache))


@card.wrong_method("mirrored", "keys and queries change places in the gradient",
                   RelativePositions.bias_backward)  # fmt: skip
def _mirrored(self, dy, cache):
    self.bias_backward(dy[..., ::-1], cache)


@card.wrong_method("heads-turned", "heads come in the opposite order", RelativePositions.bias)
def _turned(self, t, s, at=None):
    y, cache = self.bias(t, s, at)
    return y[:, ::-1], cache


@card.wrong_method("from-the-start", "the first query is taken to be at 0, whatever is kept",
                   RelativePositions.bias)  # fmt: skip
def _from_the_start(self, t, s, at=None):
    return self.bias(t, s, 0)


@card.wrong_method("direction-lost", "a decoder's bias looks both ways, or an encoder's backwards",
                   RelativePositions.bias)  # fmt: skip
def _direction(self, t, s, at=None):
    with altered(self, bidirectional=not self.bidirectional):
        return self.bias(t, s, at)
