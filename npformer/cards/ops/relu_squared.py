"""The card of ReLU squared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.elementwise import WORDS, draw_elementwise
from npformer.cards.gated import UNDERFLOW
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales
from npformer.ops import relu_squared
from npformer.ops.relu_squared import ReluSquaredCache

card = OpCard.of(relu_squared)
card.owner = "Activation"
card.draw(draw_elementwise)
card.words = WORDS
card.edge("around 0", {"x": [0.0, -0.0, 1e-3, -1e-3, 1, -1]})
card.edge("large", {"x": [1e15, -1e15]})
card.edge("no rows", {"x": np.zeros((0, 4))})


@card.scale
def scale(x: Array, *, dy: Array, fp: FloatInfo) -> Scales:
    """Products of what is exact."""
    h = np.maximum(x, 0)
    return {"y": h * h + fp.tiny, "dx": 2 * np.abs(dy) * h + fp.tiny}


@card.invariant("no gradient where x <= 0", broken_by="leaky")
def _closed(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Not even at 0: the slope is continuous there."""
    yield Finding(result["dx"][case.inputs["x"] <= 0], 0.0, 0.0)


@card.invariant("of degree 2: x dx = 2 dy y", broken_by="factor-forgotten")
def _euler(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    x, dy = case.inputs["x"].astype(np.float64), case.dy.astype(np.float64)
    left, right = x * result["dx"], 2 * dy * result["y"]
    scale = np.abs(x) * scales["dx"] + 2 * np.abs(dy) * scales["y"] + UNDERFLOW
    near = np.isfinite(left) & np.isfinite(right) & np.isfinite(scale)
    yield Finding(left[near], right[near], scale[near])


@card.wrong_backward("factor-forgotten", "the two of the square is left out")
def _no_two(dy, cache):
    return dy * cache.h


@card.wrong_backward("mask-alone", "the derivative is the ReLU's: the square is forgotten")
def _mask(dy, cache):
    return dy * (cache.h > 0)


@card.wrong_backward("y-for-h", "y stands where its root belongs: what was kept is the output")
def _y(dy, cache):
    return dy * 2 * np.square(cache.h)


@card.wrong_backward("mask-of-dy", "the gradient is cut where dy is negative")
def _of_dy(dy, cache):
    return np.maximum(dy, 0) * 2 * cache.h


@card.wrong_backward("dy-squared", "the upstream gradient is squared along with the ReLU")
def _dy_squared(dy, cache):
    return dy * np.abs(dy) * 2 * cache.h


@card.wrong_backward("added", "the two factors of the chain rule are added, not multiplied")
def _added(dy, cache):
    return dy * (2 * cache.h + (cache.h > 0))


def _with_x(y, x):
    return y, ReluSquaredCache(x)


@card.wrong_forward("square-first", "the square is taken first, and is never negative: x^2")
def _first(x):
    return np.square(x), ReluSquaredCache(np.maximum(x, 0))


@card.wrong_forward("sign-kept", "a square that keeps the sign of x")
def _sign(x):
    return x * np.abs(x), ReluSquaredCache(np.maximum(x, 0))


@card.wrong_forward("leaky", "a hundredth of x passes below 0, and is squared")
def _leaky(x):
    h = np.where(x > 0, x, x.dtype.type(0.01) * x)
    return np.square(h), ReluSquaredCache(h)


@card.wrong_forward("mask-missing-in-the-cache", "x itself is kept: it has a gradient below 0")
def _x_kept(x):
    return _with_x(np.square(np.maximum(x, 0)), x)
