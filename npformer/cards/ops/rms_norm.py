"""The card of RMS normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import DX, INITIAL, OUTPUT
from npformer.cards.pytorch import F
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.ops import rms_norm
from npformer.ops.array import rows
from npformer.ops.rms_norm import RmsNormCache, rms_norm_backward, rms_norm_forward

card = OpCard.of(rms_norm)
card.twin = lambda x, weight, *, eps=1e-5: F.rms_norm(x, weight.shape, weight, eps)
card.static = {"eps": (1e-5, 1e-6, 1e-3)}
card.least = {"D": 1}
card.words = {
    "y": "the root mean square",
    "dx": "dx, through the root mean square",
    "dweight": "the sum of dy * xhat over the rows",
}
card.edge("a row of zeros", {"x": np.zeros((1, 2, 4)), "weight": [2.0, 1, -1, 0.5]})
card.edge("width 1", {"x": [[3.0], [-1]], "weight": [2.0]})
card.edge("large numbers", {"x": [[1e30, -1e30]], "weight": [2.0, 3]})
card.edge("no rows", {"x": np.zeros((0, 3, 4)), "weight": np.ones(4)})


@card.scale
def scale(x: Array, weight: Array, *, eps: float, dy: Array, fp: FloatInfo) -> Scales:
    """A sum of squares does not cancel, so rstd is known to an eps, and xhat = x rstd to two."""
    rstd = 1 / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    xhat = np.abs(x) * rstd
    xhat_off = 2 * xhat + fp.tiny
    g = np.abs(dy * weight)
    g_xhat = (g * xhat).mean(-1, keepdims=True)
    inner = g + xhat * g_xhat + xhat_off * g_xhat + xhat * (g * xhat_off).mean(-1, keepdims=True)
    every, grown = tuple(range(x.ndim - 1)), walk(len(rows(x)))
    return {
        "y": xhat_off * np.abs(weight) + fp.tiny * (1 + np.abs(weight)),
        # Terms may be scaled by rstd^3 x^2 after they have underflowed, as PyTorch's are.
        "dx": rstd * inner + fp.tiny * (1 + rstd) ** 3 * (1 + np.abs(x)) ** 2,
        "dweight": grown * (np.abs(dy) * xhat_off + fp.tiny).sum(every) + fp.tiny,
    }


@card.invariant("dx is orthogonal to xhat but for eps", broken_by="xhat-term-dropped")
def _stretch(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Stretching a row changes nothing but for eps: rstd^3 eps D <g xhat> of dx is left."""
    # xhat must be known better here than the op knows it.
    if np.finfo(np.longdouble).eps >= np.finfo(case.dy.dtype).eps:
        return
    wide = case.cast(np.longdouble)
    x, weight = wide.inputs.values()
    eps = case.static["eps"]
    rstd = 1 / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    xhat = x * rstd
    left = (rstd[..., 0] ** 3) * eps * (wide.dy * weight * xhat).sum(-1)
    scale = (scales["dx"] * np.abs(xhat)).sum(-1)
    yield Finding((result["dx"].astype(np.float64) * xhat).sum(-1), left, scale)


@card.invariant("a row's own mean square is 1 but for eps", broken_by="mean-subtracted")
def _unit(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Where the weight can be divided out again: <xhat^2> = <x^2> / (<x^2> + eps)."""
    weight = case.inputs["weight"].astype(np.float64)
    x = case.inputs["x"].astype(np.longdouble)
    if not x.size or not (np.abs(weight) > 0.1).all() or np.abs(x).max() > 1e15:
        return
    xhat = result["y"].astype(np.float64) / weight
    off = scales["y"] / np.abs(weight)
    square = (x**2).mean(-1)
    expected = (square / (square + case.static["eps"])).astype(np.float64)
    yield Finding((xhat**2).mean(-1), expected, (2 * np.abs(xhat) * off).mean(-1) + 1)


def _dx(dy, cache, formula):
    """A backward whose dx alone is wrong: formula(g, xhat, rstd)."""
    g = dy * cache.weight
    return formula(g, cache.xhat, cache.rstd), rms_norm_backward(dy, cache)[1]


def _mean(a):
    return a.mean(-1, keepdims=True)


@card.wrong_backward(
    "weight-twice",
    "the weight is applied twice in the term through rstd: inside the mean and outside it",
    seen="NVIDIA/Megatron-LM#6859",
    smallest="x (1,), weight (1,)",
    missed_by=INITIAL,
)
def _twice(dy, cache):
    def formula(g, xhat, rstd):
        return rstd * (g - cache.weight * xhat * _mean(g * xhat))

    return _dx(dy, cache, formula)


@card.wrong_backward("weight-outside", "the weight is applied outside the mean term: right at 1")
def _outside(dy, cache):
    plain = cache._replace(weight=np.ones_like(cache.weight))
    return cache.weight * rms_norm_backward(dy, plain)[0], rms_norm_backward(dy, cache)[1]


@card.wrong_backward(
    "weight-forgotten",
    "the weight is left out of dx",
    seen="karpathy/llm.c#763",
    smallest="x (1,), weight (1,)",
    missed_by=INITIAL,
)
def _forgotten(dy, cache):
    plain = cache._replace(weight=np.ones_like(cache.weight))
    return rms_norm_backward(dy, plain)[0], rms_norm_backward(dy, cache)[1]


@card.wrong_backward("xhat-term-dropped", "the path through rstd is left out: dx = rstd g")
def _constant(dy, cache):
    return _dx(dy, cache, lambda g, xhat, rstd: rstd * g)


@card.wrong_backward("mean-term-of-layer-norm", "the mean of g is subtracted, as in layer norm")
def _layer_norm(dy, cache):
    return _dx(dy, cache, lambda g, xhat, rstd: rstd * (g - _mean(g) - xhat * _mean(g * xhat)))


@card.wrong_backward("sum-for-mean", "a sum stands where the mean over D belongs")
def _sum(dy, cache):
    def formula(g, xhat, rstd):
        return rstd * (g - xhat * (g * xhat).sum(-1, keepdims=True))

    return _dx(dy, cache, formula)


@card.wrong_backward("rstd-missing", "dx lacks the factor rstd")
def _no_rstd(dy, cache):
    return _dx(dy, cache, lambda g, xhat, rstd: g - xhat * _mean(g * xhat))


@card.wrong_backward("factor-two", "the two of the square is not cancelled by the root's half")
def _two(dy, cache):
    return _dx(dy, cache, lambda g, xhat, rstd: rstd * (g - 2 * xhat * _mean(g * xhat)))


@card.wrong_backward("weight-gradient-of-x", "dweight is summed with x, not with xhat")
def _of_x(dy, cache):
    dx, _ = rms_norm_backward(dy, cache)
    x = cache.xhat / cache.rstd
    return dx, (rows(dy) * rows(x)).sum(0)


@card.wrong_backward("weight-last-row", "at rank 3 and more, only the last matrix reaches dweight")
def _last(dy, cache):
    dx, dweight = rms_norm_backward(dy, cache)
    last = rows(dy[-1] * cache.xhat[-1]).sum(0) if dy.ndim > 2 and len(dy) else dweight
    return dx, last


@card.wrong_backward("weight-averaged", "dweight is the mean over the rows")
def _averaged(dy, cache):
    dx, dweight = rms_norm_backward(dy, cache)
    return dx, dweight / max(len(rows(dy)), 1)


@card.wrong_backward("single-precision", "dx is computed silently in float32")
def _float32(dy, cache):
    narrow = RmsNormCache(*(np.asarray(a, np.float32) for a in cache))
    dx = rms_norm_backward(dy.astype(np.float32), narrow)[0].astype(dy.dtype)
    return dx, rms_norm_backward(dy, cache)[1]


def _forward(x, weight, rstd):
    rstd = rstd.astype(x.dtype)
    return x * rstd * weight, RmsNormCache(x * rstd, rstd, weight)


@card.wrong_forward("mean-subtracted", "the mean is subtracted, as in layer norm")
def _centred(x, weight, *, eps=1e-5):
    return rms_norm_forward(x - x.mean(-1, keepdims=True), weight, eps=eps)


@card.wrong_forward("eps-outside-the-root", "eps is added to the root, not to the mean square")
def _outside_root(x, weight, *, eps=1e-5):
    return _forward(x, weight, 1 / (np.sqrt((x * x).mean(-1, keepdims=True)) + eps))


@card.wrong_forward("eps-forgotten", "eps is left out: a row of zeros divides by 0")
def _no_eps(x, weight, *, eps=1e-5):
    return _forward(x, weight, 1 / np.sqrt((x * x).mean(-1, keepdims=True)))


@card.wrong_forward("sum-of-squares", "the squares are summed, not averaged")
def _sum_of_squares(x, weight, *, eps=1e-5):
    return _forward(x, weight, 1 / np.sqrt((x * x).sum(-1, keepdims=True) + eps))


@card.wrong_backward(
    "weight-frozen",
    "dweight is never computed",
    seen="unslothai/unsloth#4533",
    smallest="x (1,), weight (1,)",
    missed_by=DX,
)
def _frozen(dy, cache):
    dx, dweight = rms_norm_backward(dy, cache)
    return dx, np.zeros_like(dweight)


@card.wrong_backward(
    "weight-gradient-after-dx",
    "dx overwrites dy before dweight is summed with it",
    seen="unslothai/unsloth#4550",
    smallest="x (1,), weight (1,)",
    missed_by=DX,
)
def _after(dy, cache):
    dx, _ = rms_norm_backward(dy, cache)
    return dx, (rows(dx) * rows(cache.xhat)).sum(0)


@card.wrong_backward(
    "detached",
    "the output is made outside the graph: neither x nor the weight gets a gradient",
    seen="paiml/aprender#2196",
    smallest="x (1,), weight (1,)",
    missed_by=OUTPUT,
)
def _detached(dy, cache):
    return tuple(np.zeros_like(gradient) for gradient in rms_norm_backward(dy, cache))
