"""The card of the softmax."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import ONES, only, option
from npformer.cards.scales import FloatInfo, Scales, softmax_errors
from npformer.cards.strategies import Source
from npformer.ops import softmax
from npformer.ops.softmax import SoftmaxCache, softmax_backward, softmax_forward

card = OpCard.of(softmax)
card.variants = ({"axis": 1},)
card.edge("far apart", {"x": [[1e30, -1e30, 0.0]]})
card.edge("-inf", {"x": [[-np.inf, 1.0, 2.0]]})
card.edge("one term", {"x": [[5.0], [-5.0]]})
card.edge("no terms", {"x": np.zeros((2, 0))})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Any rank and any axis, counted from either end."""
    letters = source.choice(("btd", "bd", "d", "abtd"))
    axis = source.integer(-len(letters), len(letters) - 1)
    return draw_case(
        source, f"{letters} -> {letters}", ("x",), dtype, static=lambda sizes: {"axis": axis}
    )


@card.scale
def scale(x: Array, *, axis: int, dy: Array, fp: FloatInfo) -> Scales:
    """dx = y (dy - sum dy y): y's own error, and that of every y inside the sum."""
    p, c, _ = softmax_errors(x, 0.0, axis)
    each = p * np.abs(dy)
    inner = (each * c).sum(axis, keepdims=True) + c * each.sum(axis, keepdims=True)
    return {
        "y": p * c + fp.tiny,
        "dx": c * each + p * inner + fp.tiny * (1 + np.abs(dy).max(initial=0)),
    }


@card.invariant("y sums to 1", broken_by="epsilon-below")
def _one(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    axis = case.static["axis"]
    if case.inputs["x"].shape[axis]:
        yield Finding(result["y"].astype(np.float64).sum(axis), 1.0, scales["y"].sum(axis))


@card.invariant("dx sums to 0", broken_by="mean-for-sum")
def _nothing(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    axis = case.static["axis"]
    if case.inputs["x"].shape[axis]:
        yield Finding(result["dx"].astype(np.float64).sum(axis), 0.0, scales["dx"].sum(axis))


@card.wrong_backward("divided-by-batch", "dx is divided by the batch size: right at batch 1")
def _batch(dy, cache):
    return softmax_backward(dy, cache) / max(len(dy), 1)


@card.wrong_backward("no-leading-y", "dx is dy - sum(dy y), without the y in front")
def _leading(dy, cache):
    return dy - (dy * cache.y).sum(cache.axis, keepdims=True)


@card.wrong_backward("mean-for-sum", "the mean of dy y stands where its sum belongs")
def _mean(dy, cache):
    terms = max(dy.shape[cache.axis], 1)
    return cache.y * (dy - (dy * cache.y).sum(cache.axis, keepdims=True) / terms)


@card.wrong_backward("diagonal-only", "the Jacobian's off-diagonal terms are dropped: dy y (1 - y)")
def _diagonal(dy, cache):
    return dy * cache.y * (1 - cache.y)


@card.wrong_backward("sum-of-dy", "the sum is of dy, not of dy y")
def _sum_of_dy(dy, cache):
    return cache.y * (dy - dy.sum(cache.axis, keepdims=True))


@card.wrong_backward(
    "zero",
    "nothing comes back: right for an upstream gradient of ones",
    seen="huggingface/candle#3569",
    smallest="x (2,)",
    missed_by=ONES,
)
def _zero(dy, cache):
    return np.zeros_like(dy)


@card.wrong_backward("last-axis-always", "the sum runs over the last axis whatever ``axis`` says")
def _last_axis(dy, cache):
    return cache.y * (dy - (dy * cache.y).sum(-1, keepdims=True))


@card.wrong_forward("no-max", "the maximum is not subtracted, and exp overflows")
def _no_max(x, *, axis=-1):
    e = np.exp(x)
    y = e / e.sum(axis, keepdims=True)
    return y, SoftmaxCache(y, axis)


@card.wrong_forward("epsilon-below", "1e-9 is added to the denominator")
def _epsilon(x, *, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True, initial=-np.inf))
    y = e / (e.sum(axis, keepdims=True) + 1e-9)
    return y.astype(x.dtype), SoftmaxCache(y, axis)


@card.wrong_forward(
    "one-max-for-all", "the maximum is taken over the whole array, and rows underflow"
)
def _global_max(x, *, axis=-1):
    e = np.exp(x - x.max(initial=-np.inf))
    y = e / e.sum(axis, keepdims=True)
    return y, SoftmaxCache(y, axis)


@card.wrong_forward("single-precision", "y is computed silently in float32")
def _float32(x, *, axis=-1):
    y, _ = softmax_forward(x.astype(np.float32), axis=axis)
    return y.astype(x.dtype), SoftmaxCache(y.astype(x.dtype), axis)


@card.wrong_forward(
    "axis-ignored",
    "the last axis is normalised whatever ``axis`` says",
    seen="paiml/aprender#2152",
    smallest="x (1, 2)",
    missed_by=option("axis -1", axis=-1),
)
def _axis_ignored(x, *, axis=-1):
    return softmax_forward(x)


@card.wrong_forward(
    "one-distribution-for-all",
    "all of the array is normalised, not each row",
    seen="nntrainer/nntrainer#430",
    smallest="x (1, 2)",
    missed_by=only("a single row", lambda case: case.dy.size == case.dy.shape[case.static["axis"]]),
)
def _of_all(x, *, axis=-1):
    y, _ = softmax_forward(x.reshape(-1))
    return y.reshape(x.shape), SoftmaxCache(y.reshape(x.shape), axis)


@card.wrong_backward(
    "twice",
    "dx is twice too large",
    seen="markroxor/fromscratchtoml#65",
    smallest="x (2,)",
    missed_by=ONES,
)
def _twice(dy, cache):
    return 2 * softmax_backward(dy, cache)
