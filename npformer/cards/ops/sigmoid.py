"""The card of the sigmoid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.elementwise import WORDS, draw_elementwise
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import OUTPUT, only
from npformer.cards.pytorch import torch
from npformer.cards.scales import FloatInfo, Scales, logistic
from npformer.ops import sigmoid
from npformer.ops.sigmoid import SigmoidCache, sigmoid_backward, sigmoid_forward

card = OpCard.of(sigmoid)
card.owner = "MultiHeadAttention"
card.draw(draw_elementwise)
card.words = WORDS
card.edge("the tails", {"x": [-80.0, -30, -17, -5, 5, 17, 30, 80]})
card.edge("half open", {"x": [0.0, -0.0]})
card.edge("no rows", {"x": np.zeros((0, 4))})


def _precise(x: Any) -> Any:
    """1 - sigmoid(-x) where x > 0: the same number, and its derivative keeps its digits."""
    return torch.where(x > 0, 1 - torch.sigmoid(-x), torch.sigmoid(x))


card.precise = _precise


@card.scale
def scale(x: Array, *, dy: Array, fp: FloatInfo) -> Scales:
    """exp(-|x|) turns the rounding of its argument, |x| of them, into one relative to itself."""
    z = np.minimum(np.abs(x), 1e4)
    s, e = logistic(x), np.exp(-z)
    flush = fp.tiny / fp.eps  # 1 / (1 + exp(t)) is 0 where exp(t) overflows
    return {
        "y": s * (1 + np.where(x < 0, z, 0.0)) + flush,
        "dx": np.abs(dy) * (e * (1 + z) + flush) + fp.tiny,
    }


@card.invariant("y(x) + y(-x) = 1, and the slope is even", broken_by="one-sided")
def _mirrored(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    other_case = case.with_inputs({"x": -case.inputs["x"]})
    other, both = component.run(other_case), component.scales(other_case)
    yield Finding(result["y"] + other["y"], 1.0, scales["y"] + both["y"])
    yield Finding(result["dx"], other["dx"], scales["dx"] + both["dx"])


@card.invariant("the slope is never above 1/4 nor below 0", broken_by="slope-forgotten")
def _bounded(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    dy, dx = case.dy.astype(np.float64), result["dx"].astype(np.float64)
    near = np.isfinite(dx)
    most = np.clip(dx, np.minimum(dy / 4, 0), np.maximum(dy / 4, 0))
    yield Finding(dx[near], most[near], scales["dx"][near])


@card.wrong_backward(
    "one-minus-y",
    "the slope is y (1 - y), and 1 - y has no digits left where the gate is open",
    beyond_forward=True,
    seen="tenstorrent/tt-metal#55724",
    smallest="x (1,)",
    missed_by=only("inputs below 5", lambda case: np.all(case.inputs["x"] < 5)),
)
def _cancels(dy, cache):
    y = sigmoid_forward(cache.x)[0]
    return dy * (y * (1 - y))


@card.wrong_backward(
    "x-for-y",
    "x stands where y belongs in y (1 - y)",
    seen="BoltzmannEntropy/interviews.ai#15",
    smallest="x (1,)",
    missed_by=OUTPUT,
)
def _x_for_y(dy, cache):
    return dy * cache.x * (1 - cache.x)


@card.wrong_backward("applied-twice", "the slope is taken at y: the output passes for the input")
def _twice(dy, cache):
    return sigmoid_backward(dy, SigmoidCache(sigmoid_forward(cache.x)[0]))


@card.wrong_backward("slope-forgotten", "the gradient passes as if the gate were a straight line")
def _identity(dy, cache):
    return dy.copy()


@card.wrong_backward("y-alone", "the factor 1 - y is left out")
def _y_alone(dy, cache):
    return dy * sigmoid_forward(cache.x)[0]


@card.wrong_backward("slope-of-tanh", "1 - y^2 is the slope of tanh")
def _tanh(dy, cache):
    return dy * (1 - np.square(sigmoid_forward(cache.x)[0]))


@card.wrong_backward("one-sided", "the slope is y (1 - y) where x < 0, and y where x > 0")
def _one_sided(dy, cache):
    y = sigmoid_forward(cache.x)[0]
    return dy * np.where(cache.x < 0, y * (1 - y), y)


@card.wrong_backward(
    "slope-overflows",
    "the slope is made of exp(-x), whose square overflows where x is far below 0",
    beyond_forward=True,
)
def _overflows(dy, cache):
    e = np.exp(-cache.x)
    return dy * e / (1 + e) ** 2


@card.wrong_backward("single-precision", "the slope is computed silently in float32")
def _float32(dy, cache):
    narrow = SigmoidCache(cache.x.astype(np.float32))
    return sigmoid_backward(dy.astype(np.float32), narrow).astype(dy.dtype)


@card.wrong_forward("sign-forgotten", "exp(x) stands where exp(-x) belongs: open is shut")
def _sign(x):
    return sigmoid_forward(-x)[0], SigmoidCache(x)


@card.wrong_forward("hard", "a straight line from 0 to 1, clipped: the hard sigmoid")
def _hard(x):
    return np.clip(x / 6 + x.dtype.type(0.5), 0, 1), SigmoidCache(x)
