"""The card of layer normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.op_card import Library, OpCard
from npformer.cards.ordinary import MATRIX, ONE_ROW, ONES_INITIAL, OUTPUT, Ordinary, only
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.steps import close
from npformer.ops import layer_norm
from npformer.ops.array import rows
from npformer.ops.layer_norm import LayerNormCache, layer_norm_backward, layer_norm_forward

card = OpCard.of(layer_norm)
card.static = {"eps": (1e-5, 1e-6, 1e-3)}
card.least = {"D": 1}  # no variance: there eps is all that stands under the root
card.owner = "LayerNorm"
card.words = {
    "dx": "dx, through the mean and the deviation",
    "dweight": "the sum of dy * xhat over the rows",
    "dbias": "the sum of dy over the rows",
}
card.library = Library(
    "layer_norm",
    lambda input, normalized_shape, weight=None, bias=None, eps=1e-5: {
        "x": input, "weight": weight, "bias": bias, "eps": eps
    },
    lambda f, a: f(a["x"], a["weight"].shape, a["weight"], a["bias"], a["eps"]),
)  # fmt: skip
card.edge(
    "no variance",
    {"x": np.full((1, 2, 4), 3.0), "weight": [2.0, 1, -1, 0.5], "bias": np.zeros(4)},
)
card.edge("width 1", {"x": [[3.0], [-1]], "weight": [2.0], "bias": [1.0]})
card.edge(
    "width 2 of large equal numbers", {"x": [[1e30, 1e30]], "weight": [2.0, 3], "bias": [0.0, 1]}
)
card.edge("no rows", {"x": np.zeros((0, 3, 4)), "weight": np.ones(4), "bias": np.ones(4)})


@card.scale
def scale(x: Array, weight: Array, bias: Array, *, eps: float, dy: Array, fp: FloatInfo) -> Scales:
    """xhat is off by c = rstd (|x| + mean |x|), and by the relative error kappa of rstd.

    The variance is a mean square, off by 2 <xhat c> in eps and, where eps c is no longer small (a
    row of equal, large numbers), by eps <c^2>: what is under the root may then be all noise.
    """
    mu = x.mean(-1, keepdims=True)
    size = np.abs(x) + np.abs(x).mean(-1, keepdims=True)
    sure = np.maximum(np.abs(x - mu) - fp.eps * size, 0)  # of a row's deviations, what is no noise
    rstd = 1 / np.sqrt((sure**2).mean(-1, keepdims=True) + eps)
    xhat = np.abs(x - mu) * rstd
    c = rstd * (size + fp.tiny)
    kappa = 1 + (xhat * c + fp.eps * c * c).mean(-1, keepdims=True)
    xhat_off = c + xhat * kappa
    g = np.abs(dy * weight)
    g_xhat = (g * xhat).mean(-1, keepdims=True)
    inner = kappa * (g + g.mean(-1, keepdims=True) + xhat * g_xhat)
    inner = inner + xhat_off * g_xhat + xhat * (g * xhat_off).mean(-1, keepdims=True)
    every, grown = tuple(range(x.ndim - 1)), walk(len(rows(x)))
    return {
        "y": xhat_off * np.abs(weight) + np.abs(bias) + fp.tiny * (1 + np.abs(weight)),
        # Terms may be scaled by rstd^3 x^2 after they have underflowed, as PyTorch's are.
        "dx": rstd * inner + fp.tiny * (1 + rstd) ** 3 * (1 + np.abs(x)) ** 2,
        "dweight": grown * (np.abs(dy) * xhat_off + fp.tiny).sum(every) + fp.tiny,
        "dbias": grown * np.abs(dy).sum(every) + fp.tiny,
    }


@card.invariant("dx sums to 0 over a row", broken_by="mean-term-dropped")
def _shift(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Shifting a row changes nothing."""
    yield Finding(result["dx"].astype(np.float64).sum(-1), 0.0, scales["dx"].sum(-1))


@card.invariant("dx is orthogonal to xhat but for eps", broken_by="xhat-term-dropped")
def _stretch(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Stretching a row changes nothing but for eps: rstd^3 eps D <g xhat> of dx is left."""
    # xhat must be known better here than the op knows it.
    if np.finfo(np.longdouble).eps >= np.finfo(case.dy.dtype).eps:
        return
    wide = case.cast(np.longdouble)
    x, weight, _bias = wide.inputs.values()
    centred = x - x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + case.static["eps"])
    xhat = centred * rstd
    left = (rstd[..., 0] ** 3) * case.static["eps"] * (wide.dy * weight * xhat).sum(-1)
    scale = (scales["dx"] * np.abs(xhat)).sum(-1)
    yield Finding((result["dx"].astype(np.float64) * xhat).sum(-1), left, scale)


@card.steps
def _step(visit: Any, result: str) -> str:
    if result != "y":
        return ""
    a = visit.arguments
    _, cache = layer_norm_forward(a["x"], a["weight"], a["bias"], eps=a["eps"])
    own = visit.cache
    if not hasattr(own, "xhat") or close(own.xhat, cache.xhat):
        return "weight and bias" if hasattr(own, "xhat") else ""
    factor = np.vecdot(own.xhat, cache.xhat) / np.vecdot(cache.xhat, cache.xhat)
    if close(factor[..., None] * cache.xhat, own.xhat):
        return "the deviation, rstd"
    return "the mean and the deviation"


def _varies(case):
    """Whether no row is nearly constant, and all numbers are of ordinary size."""
    ordinary = all(np.abs(a).max(initial=0) < 10 for a in (*case.inputs.values(), case.dy))
    return ordinary and np.all(case.inputs["x"].std(-1) > 0.3) and case.static["eps"] < 1e-3


def _wide(case):
    """The case at a width of 512, with generic numbers."""
    rng = np.random.default_rng(case.dy.size)
    shape = (*case.dy.shape[:-1], 512)
    inputs = {"x": rng.standard_normal(shape), **dict.fromkeys(("weight", "bias"), np.ones(512))}
    return Case(inputs, case.static, rng.standard_normal(shape))


def _standard(case):
    x = case.inputs["x"]
    if x.shape[-1] < 2 or not _varies(case):
        return None
    x = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    return Case({**case.inputs, "x": x}, {"eps": 1e-6}, case.dy)


def _dx(dy, cache, mean=True, along=True):
    """The formula with one of its terms left out."""
    g = dy * cache.weight
    dx = g
    if mean:
        dx = dx - g.mean(-1, keepdims=True)
    if along:
        dx = dx - cache.xhat * (g * cache.xhat).mean(-1, keepdims=True)
    return cache.rstd * dx


@card.wrong_backward("weight-outside", "the weight is applied outside the mean terms: right at 1")
def _outside(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    plain = cache._replace(weight=np.ones_like(cache.weight))
    return cache.weight * layer_norm_backward(dy, plain)[0], dweight, dbias


@card.wrong_backward("weight-forgotten", "the weight is left out of dx")
def _forgotten(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    plain = cache._replace(weight=np.ones_like(cache.weight))
    return layer_norm_backward(dy, plain)[0], dweight, dbias


@card.wrong_backward("mean-term-dropped", "the path through mu is left out")
def _no_mean(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    return _dx(dy, cache, mean=False), dweight, dbias


@card.wrong_backward("xhat-term-dropped", "the path through rstd is left out")
def _no_along(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    return _dx(dy, cache, along=False), dweight, dbias


@card.wrong_backward("statistics-constant", "mu and rstd are treated as constants: dx = rstd g")
def _constants(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    return _dx(dy, cache, mean=False, along=False), dweight, dbias


@card.wrong_backward("sum-for-mean", "sums stand where the means over D belong")
def _sums(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    g = dy * cache.weight
    inner = g.sum(-1, keepdims=True) + cache.xhat * (g * cache.xhat).sum(-1, keepdims=True)
    return cache.rstd * (g - inner), dweight, dbias


@card.wrong_backward("rstd-missing", "dx lacks the factor rstd")
def _no_rstd(dy, cache):
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    return dx / cache.rstd, dweight, dbias


@card.wrong_backward("rstd-squared", "dx has the factor rstd twice")
def _rstd_twice(dy, cache):
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    return dx * cache.rstd, dweight, dbias


@card.wrong_backward("bias-last-row", "at rank 3 and more, only the last matrix reaches dbias")
def _last_rows(dy, cache):
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    return dx, dweight, rows(dy[-1]).sum(0) if dy.ndim > 2 and len(dy) else dbias


@card.wrong_backward("weight-gradient-of-y", "dweight is summed with dy * weight, not with dy")
def _dweight(dy, cache):
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    return dx, dweight * cache.weight, dbias


@card.wrong_backward(
    "zero",
    "dx is zero: right for an upstream gradient of ones at weight = 1",
    seen="huggingface/candle#3613",
    smallest="x (2,), weight (2,), bias (2,)",
    missed_by=ONES_INITIAL,
)
def _zero(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    return np.zeros_like(dy), dweight, dbias


@card.wrong_backward("single-precision", "dx is computed silently in float32")
def _float32(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    narrow = LayerNormCache(*(np.asarray(a, np.float32) for a in cache))
    return layer_norm_backward(dy.astype(np.float32), narrow)[0].astype(dy.dtype), dweight, dbias


def _forward(x, weight, bias, rstd):
    xhat = (x - x.mean(-1, keepdims=True)) * rstd
    return xhat * weight + bias, LayerNormCache(xhat, rstd, weight)


@card.wrong_forward(
    "unbiased-variance",
    "the variance is divided by D - 1",
    seen="harvardnlp/annotated-transformer#119",
    smallest="x (2,), weight (2,), bias (2,)",
    missed_by=Ordinary("rows of 512, and a tolerance of 1e-2", _wide, tolerance=(1e-2, 1e-2)),
)
def _unbiased(x, weight, bias, *, eps=1e-5):
    d = x.shape[-1]
    variance = x.var(-1, keepdims=True) * (d / max(d - 1, 1))
    return _forward(x, weight, bias, (1 / np.sqrt(variance + eps)).astype(x.dtype))


@card.wrong_forward(
    "eps-outside-the-root",
    "eps is added to the deviation, not to the variance",
    seen="codertimo/BERT-pytorch#30",
    smallest="x (2,), weight (2,), bias (2,)",
    missed_by=only(
        "rows that vary, and a tolerance of 1e-2",
        _varies,
        tolerance=(1e-2, 1e-2),
    ),
)
def _outside_root(x, weight, bias, *, eps=1e-5):
    return _forward(x, weight, bias, (1 / (x.std(-1, keepdims=True) + eps)).astype(x.dtype))


@card.wrong_forward("eps-forgotten", "eps is left out: a row of equal numbers divides by 0")
def _no_eps(x, weight, bias, *, eps=1e-5):
    return _forward(x, weight, bias, (1 / x.std(-1, keepdims=True)).astype(x.dtype))


@card.wrong_forward("mean-of-squares", "the variance is <x^2> - <x>^2, which cancels")
def _cancels(x, weight, bias, *, eps=1e-5):
    variance = (x * x).mean(-1, keepdims=True) - x.mean(-1, keepdims=True) ** 2
    return _forward(x, weight, bias, (1 / np.sqrt(variance + eps)).astype(x.dtype))


@card.wrong_forward("batch-statistics", "the statistics are taken over the first axis")
def _batch(x, weight, bias, *, eps=1e-5):
    rstd = (1 / np.sqrt(x.var(0, keepdims=True) + eps)).astype(x.dtype)
    xhat = (x - x.mean(0, keepdims=True)) * rstd
    return xhat * weight + bias, LayerNormCache(xhat, rstd, weight)


@card.wrong_backward(
    "row-is-all-but-the-first-axis",
    "means run over every axis but the first",
    seen="flagos-ai/FlagGems#5392",
    smallest="x (1, 2, 1), weight (1,), bias (1,)",
    missed_by=MATRIX,
)
def _first_axis(dy, cache):
    axes = tuple(range(1, dy.ndim)) or -1
    g = dy * cache.weight
    inner = g.mean(axes, keepdims=True) + cache.xhat * (g * cache.xhat).mean(axes, keepdims=True)
    return cache.rstd * (g - inner), *layer_norm_backward(dy, cache)[1:]


@card.wrong_backward(
    "one-mean-for-all-rows",
    "the sums over a row run over all rows",
    seen="flagos-ai/FlagGems#59",
    smallest="x (2, 1), weight (1,), bias (1,)",
    missed_by=ONE_ROW,
)
def _all_rows(dy, cache):
    g, d = dy * cache.weight, max(dy.shape[-1], 1)
    inner = g.sum() / d + cache.xhat * (g * cache.xhat).sum() / d
    return cache.rstd * (g - inner), *layer_norm_backward(dy, cache)[1:]


@card.wrong_backward(
    "mean-term-twice",
    "the mean of g is taken off twice",
    seen="tenstorrent/tt-metal#53215",
    smallest="x (1,), weight (1,), bias (1,)",
    missed_by=OUTPUT,
)
def _mean_twice(dy, cache):
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    return dx - cache.rstd * (dy * cache.weight).mean(-1, keepdims=True), dweight, dbias


@card.wrong_backward(
    "last-block-alone",
    "of the sum of g xhat, only the last block of two columns is kept",
    seen="tenstorrent/tt-metal#53215",
    smallest="x (3,), weight (3,), bias (3,)",
    missed_by=only("a width of one block", lambda case: case.dy.shape[-1] <= 2),
)
def _last_block(dy, cache):
    g, d = dy * cache.weight, dy.shape[-1]
    last = (g * cache.xhat)[..., max(d - 1, 0) // 2 * 2 :].sum(-1, keepdims=True) / max(d, 1)
    dx = cache.rstd * (g - g.mean(-1, keepdims=True) - cache.xhat * last)
    return dx, *layer_norm_backward(dy, cache)[1:]


@card.wrong_forward(
    "square-for-root",
    "the deviation is the variance squared, not its root",
    seen="131250208/TPlinker-joint-extraction#37",
    smallest="x (2,), weight (2,), bias (2,)",
    missed_by=Ordinary("rows of variance 1", _standard, tolerance=(1e-3, 1e-3)),
)
def _squared(x, weight, bias, *, eps=1e-5):
    rstd = 1 / (x.var(-1, keepdims=True) + eps) ** 2
    return _forward(x, weight, bias, rstd.astype(x.dtype))
