"""The card of the short causal convolution's module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import adds_up, gathers, same_product
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.causal_conv1d import CausalConv1d
from npformer.ops.causal_conv1d import causal_conv1d_backward, causal_conv1d_forward

card = ModuleCard.of(CausalConv1d)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.parameters = {"weight": "DK", "bias": "D"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """With and without a bias."""
    z = draw_sizes(source, "BTDK", {"D": 1, "K": 1})
    return z, {"build": (z["D"], z["K"], source.choice((True, False)))}


card.invariant("<dx, x> = <dweight, weight>", broken_by="history-detached")(
    same_product(("x",), ("weight",))
)
card.invariant("two parts of a batch add up to the whole", broken_by="sentences-joined")(adds_up())
card.invariant("a second backward adds to the first", broken_by="replaced")(gathers)


@card.invariant("a position of zeros before the first changes no output", broken_by="centred")
def _later(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Moved by one position, a sentence has its outputs moved by one: what was padding is read."""
    x = case.inputs["x"]
    if not x.shape[1]:
        return
    later = np.concatenate([np.zeros_like(x[:, :1]), x], axis=1)
    moved = component.forward(case.with_inputs({"x": later[:, :-1]}))
    yield Finding(moved[:, 1:], result["y"][:, :-1], 2 * scales["y"][:, :-1])


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
    assert dweight is not None
    self.weight.accumulate(dweight[:, ::-1])
    if self.bias is not None:
        self.bias.accumulate(dbias)
    return dx


@card.wrong_method("bias-averaged", "dbias is averaged over the positions", CausalConv1d.backward)
def _averaged(self, dy, cache):
    dx, dweight, dbias = causal_conv1d_backward(dy, cache)
    self.weight.accumulate(dweight)
    if self.bias is not None:
        self.bias.accumulate(dbias / max(dy.shape[1], 1))
    return dx


@card.wrong_method("replaced", "a gradient takes the place of what the weight has gathered",
                   CausalConv1d.backward)  # fmt: skip
def _replaced(self, dy, cache):
    dx = self.backward(dy, cache)
    self.weight.grad = np.array(causal_conv1d_backward(dy, cache)[1])
    return dx


@card.wrong_method("first-sentence", "dweight is the first sentence's", CausalConv1d.backward)
def _first(self, dy, cache):
    dx, _, dbias = causal_conv1d_backward(dy, cache)
    self.weight.accumulate(causal_conv1d_backward(dy[:1], cache._replace(x=cache.x[:1]))[1])
    if self.bias is not None:
        self.bias.accumulate(dbias)
    return dx


@card.wrong_method("history-detached", "what a window looks back on is taken for a constant, as a "
                   "state kept from decoding is", CausalConv1d.backward)  # fmt: skip
def _detached(self, dy, cache):
    self.backward(dy, cache)
    return dy * self.weight.data[:, -1]


def _computed(change: Any) -> Any:
    """A forward of other arguments: change(x, weight, bias) -> y."""

    def forward(self, x):
        bias = None if self.bias is None else self.bias.data
        return change(x, self.weight.data, bias), self.forward(x)[1]

    return forward


def _packed(x, weight, bias):
    row = x.reshape(1, -1, x.shape[2])
    return causal_conv1d_forward(row, weight, bias)[0].reshape(x.shape)


def _centred(x, weight, bias):
    ahead = weight.shape[1] // 2
    padded = np.pad(x, ((0, 0), (0, ahead), (0, 0)))
    return causal_conv1d_forward(padded, weight, bias)[0][:, ahead:]


def _one_short(x, weight, bias):
    """The state that is kept has a position too few."""
    y, _ = causal_conv1d_forward(x, np.concatenate([0 * weight[:, :1], weight[:, 1:]], 1), bias)
    return y


card.wrong_method(
    "sentences-joined", "the sentences are one row: the first positions of one look back into the "
    "one before", CausalConv1d.forward,
)(_computed(_packed))  # fmt: skip
card.wrong_method(
    "centred", "padding is on both sides, as in a convolution that is not causal",
    CausalConv1d.forward,
)(_computed(_centred))  # fmt: skip
card.wrong_method(
    "one-short", "what is kept for the window is a position too short: the oldest weight meets 0",
    CausalConv1d.forward,
)(_computed(_one_short))  # fmt: skip
card.wrong_method(
    "width-first", "a weight (width, channels) is reshaped and not transposed",
    CausalConv1d.forward,
)(_computed(lambda x, w, b: causal_conv1d_forward(x, w.reshape(w.T.shape).T, b)[0]))  # fmt: skip
card.wrong_method("bias-ignored", "the bias is left out of the forward", CausalConv1d.forward)(
    _computed(lambda x, weight, bias: causal_conv1d_forward(x, weight)[0])
)
