"""The card of the log-softmax."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import OUTPUT
from npformer.cards.scales import FloatInfo, Scales, softmax_errors
from npformer.cards.strategies import Source
from npformer.ops import log_softmax
from npformer.ops.log_softmax import (
    LogSoftmaxCache,
    log_softmax_backward,
    log_softmax_forward,
)
from npformer.ops.softmax import softmax_forward

card = OpCard.of(log_softmax)
card.variants = ({"axis": 1},)
card.edge("far apart", {"x": [[1e30, -1e30, 0.0]]})


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
    """y = (x - max) - log sum: the 1 is log's absolute error where the sum is near 1."""
    p, c, log_total = softmax_errors(x, 0.0, axis)
    shifted = np.abs(x - x.max(axis, keepdims=True, initial=-np.inf))
    shifted = np.where(np.isnan(shifted), 0.0, shifted)
    total = np.abs(dy).sum(axis, keepdims=True)
    return {
        "y": shifted + log_total + (p * c).sum(axis, keepdims=True) + fp.tiny,
        "dx": np.abs(dy) + p * c * total + fp.tiny * (1 + total),
    }


@card.invariant("exp(y) sums to 1", broken_by="clipped")
def _one(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    axis = case.static["axis"]
    if case.inputs["x"].shape[axis]:
        p = np.exp(result["y"].astype(np.float64))
        yield Finding(p.sum(axis), 1.0, (p * (1 + scales["y"])).sum(axis))


@card.invariant("dx sums to 0", broken_by="sum-dropped")
def _nothing(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    axis = case.static["axis"]
    if case.inputs["x"].shape[axis]:
        yield Finding(result["dx"].astype(np.float64).sum(axis), 0.0, scales["dx"].sum(axis))


@card.wrong_backward("y-for-exp-y", "y stands where exp(y) belongs")
def _no_exp(dy, cache):
    return dy - cache.y * dy.sum(cache.axis, keepdims=True)


@card.wrong_backward("softmax-backward", "the softmax's formula is used on exp(y)")
def _wrong_formula(dy, cache):
    p = np.exp(cache.y)
    return p * (dy - (dy * p).sum(cache.axis, keepdims=True))


@card.wrong_backward("sum-dropped", "dy - exp(y): right where dy sums to 1")
def _no_sum(dy, cache):
    return dy - np.exp(cache.y)


@card.wrong_backward("mean-for-sum", "the mean of dy stands where its sum belongs")
def _mean_log(dy, cache):
    terms = max(dy.shape[cache.axis], 1)
    return dy - np.exp(cache.y) * dy.sum(cache.axis, keepdims=True) / terms


@card.wrong_backward("sign", "the softmax is added, not subtracted")
def _sign(dy, cache):
    return 2 * dy - log_softmax_backward(dy, cache)


@card.wrong_forward("log-of-softmax", "the log is taken of a softmax that has underflowed to 0")
def _log_of(x, *, axis=-1):
    _, cache = log_softmax_forward(x, axis=axis)
    y = np.log(softmax_forward(x, axis=axis)[0])
    return y, cache


@card.wrong_forward("clipped", "probabilities are clipped at 1e-7 before the log")
def _clipped(x, *, axis=-1):
    y = np.log(np.maximum(softmax_forward(x, axis=axis)[0], 1e-7)).astype(x.dtype)
    return y, LogSoftmaxCache(y, axis)


@card.wrong_backward(
    "dot-of-dy-and-y",
    "the sum of dy y is taken off, without exp(y) before it: dy - sum(dy y)",
    seen="uxlfoundation/oneDNN#616",
    smallest="x (1,)",
    missed_by=OUTPUT,
)
def _dot(dy, cache):
    return dy - (dy * cache.y).sum(cache.axis, keepdims=True)


@card.wrong_backward(
    "exp-y-added",
    "dx is dy + exp(y): dy stands where the 1 of the Jacobian's diagonal belongs",
    seen="mlpack/mlpack#2360",
    smallest="x (1,)",
    missed_by=OUTPUT,
)
def _added(dy, cache):
    return dy + np.exp(cache.y)
