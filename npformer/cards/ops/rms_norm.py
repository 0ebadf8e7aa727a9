"""The card of RMS normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import CONTIGUOUS, DX, INITIAL, OUTPUT, OWN_FORWARD, Ordinary, option
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source
from npformer.cards.values import stored
from npformer.ops import rms_norm
from npformer.ops.array import rows
from npformer.ops.rms_norm import RmsNormCache, rms_norm_backward, rms_norm_forward

WEIGHTS_OF_ONE = Ordinary(
    "weights of 1", lambda case: None if case.static.get("plus_one") else INITIAL.narrow(case)
)

card = OpCard.of(rms_norm)
card.owner = "RMSNorm"
card.variants = ({"plus_one": True},)
card.words = {
    "y": "the root mean square",
    "dx": "dx, through the root mean square",
    "dweight": "the sum of dy * xhat over the rows",
}
card.edge("a row of zeros", {"x": np.zeros((1, 2, 4)), "weight": [2.0, 1, -1, 0.5]})
card.edge("width 1", {"x": [[3.0], [-1]], "weight": [2.0]})
card.edge("large numbers", {"x": [[1e30, -1e30]], "weight": [2.0, 3]})
card.edge("large numbers, without a weight", {"x": [[1e30, -1e30]]})
card.edge("1 + weight of 0 and of -1", {"x": [[3.0, -1]], "weight": [0.0, -1]}, plus_one=True)
card.edge("no rows", {"x": np.zeros((0, 3, 4)), "weight": np.ones(4)})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """With a weight, with 1 + weight and without; at rank 1 to 4."""
    kind = source.choice(("weight", "plus_one", "none"))
    lead = source.choice(("bt", "b", "", "abt"))
    static = {"eps": source.choice((1e-5, 1e-6, 1e-3))}
    if kind == "plus_one":
        static["plus_one"] = True
    weight, names = (", d", ("x", "weight")) if kind != "none" else ("", ("x",))
    spec = f"{lead}d{weight} -> {lead}d"
    return draw_case(source, spec, names, dtype, static=lambda sizes: static, least={"d": 1})


@card.scale
def scale(
    x: Array,
    weight: Array | None = None,
    *,
    eps: float = 1e-5,
    plus_one: bool = False,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """A sum of squares does not cancel, so rstd is known to an eps, and xhat = x rstd to two.

    1 + weight is known to an eps of itself, for its terms are exact.
    """
    factor = np.ones(x.shape[-1]) if weight is None else np.abs(weight + plus_one)
    rstd = 1 / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    xhat = np.abs(x) * rstd
    xhat_off = 2 * xhat + fp.tiny
    g = np.abs(dy) * factor
    g_xhat = (g * xhat).mean(-1, keepdims=True)
    inner = g + xhat * g_xhat + xhat_off * g_xhat + xhat * (g * xhat_off).mean(-1, keepdims=True)
    every, grown = tuple(range(x.ndim - 1)), walk(len(rows(x)))
    scales = {
        "y": xhat_off * factor + fp.tiny * (1 + factor),
        # Terms may be scaled by rstd^3 x^2 after they have underflowed, as PyTorch's are.
        "dx": rstd * inner + fp.tiny * (1 + rstd) ** 3 * (1 + np.abs(x)) ** 2,
    }
    if weight is not None:
        off = grown * (np.abs(dy) * xhat_off + fp.tiny)
        scales["dweight"] = off.sum(every) + fp.tiny
    return scales


def _factor(case: Case) -> Array:
    """What xhat is multiplied by (D,), in the case's own dtype."""
    weight = case.inputs.get("weight")
    if weight is None:
        return np.ones(case.dy.shape[-1], case.dy.dtype)
    return weight + weight.dtype.type(bool(case.static.get("plus_one")))


@card.invariant("dx is orthogonal to xhat but for eps", broken_by="xhat-term-dropped")
def _stretch(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Stretching a row changes nothing but for eps: rstd^3 eps D <g xhat> of dx is left."""
    # xhat must be known better here than the op knows it.
    if np.finfo(np.longdouble).eps >= np.finfo(case.dy.dtype).eps:
        return
    wide = case.cast(np.longdouble)
    x, factor = wide.inputs["x"], _factor(wide)
    eps = case.static["eps"]
    rstd = 1 / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    xhat = x * rstd
    left = (rstd[..., 0] ** 3) * eps * (wide.dy * factor * xhat).sum(-1)
    scale = (scales["dx"] * np.abs(xhat)).sum(-1)
    yield Finding((result["dx"].astype(np.float64) * xhat).sum(-1), left, scale)


@card.invariant("a row's own mean square is 1 but for eps", broken_by="mean-subtracted")
def _unit(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Where the weight can be divided out again: <xhat^2> = <x^2> / (<x^2> + eps)."""
    factor = _factor(case).astype(np.float64)
    x = case.inputs["x"].astype(np.longdouble)
    if not x.size or not (np.abs(factor) > 0.1).all() or np.abs(x).max() > 1e15:
        return
    xhat = result["y"].astype(np.float64) / factor
    off = scales["y"] / np.abs(factor)
    square = (x**2).mean(-1)
    expected = (square / (square + case.static["eps"])).astype(np.float64)
    yield Finding((xhat**2).mean(-1), expected, (2 * np.abs(xhat) * off).mean(-1) + 1)


@card.invariant("what dweight sums is what y is made of", broken_by="weight-gradient-of-x")
def _shares(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """sum_d scale_d dweight_d = sum of dy * y: y is linear in the scale."""
    if "dweight" not in result:
        return
    factor, dy = _factor(case).astype(np.float64), case.dy.astype(np.float64)
    off = (np.abs(factor) * scales["dweight"]).sum() + (np.abs(dy) * scales["y"]).sum()
    yield Finding((factor * result["dweight"]).sum(), (dy * result["y"]).sum(), off)


def _unit_scale(cache):
    return cache._replace(scale=None if cache.scale is None else np.ones_like(cache.scale))


def _dx(dy, cache, formula):
    """A backward whose dx alone is wrong: formula(g, xhat, rstd)."""
    g = dy if cache.scale is None else dy * cache.scale
    return formula(g, cache.xhat, cache.rstd), rms_norm_backward(dy, cache)[1]


def _dweight(dy, cache, formula):
    """A backward whose dweight alone is wrong, where there is a weight."""
    return rms_norm_backward(dy, cache)[0], None if cache.scale is None else formula()


def _mean(a):
    return a.mean(-1, keepdims=True)


@card.wrong_backward(
    "weight-twice",
    "the weight is applied twice in the term through rstd: inside the mean and outside it",
    seen="NVIDIA/Megatron-LM#6859",
    smallest="x (1,), weight (1,)",
    missed_by=WEIGHTS_OF_ONE,
)
def _twice(dy, cache):
    def formula(g, xhat, rstd):
        factor = 1 if cache.scale is None else cache.scale
        return rstd * (g - factor * xhat * _mean(g * xhat))

    return _dx(dy, cache, formula)


@card.wrong_backward("weight-outside", "the weight is applied outside the mean term: right at 1")
def _outside(dy, cache):
    factor = 1 if cache.scale is None else cache.scale
    return factor * rms_norm_backward(dy, _unit_scale(cache))[0], rms_norm_backward(dy, cache)[1]


@card.wrong_backward(
    "weight-forgotten",
    "the weight is left out of dx",
    seen="karpathy/llm.c#763",
    smallest="x (1,), weight (1,)",
    missed_by=WEIGHTS_OF_ONE,
)
def _forgotten(dy, cache):
    return rms_norm_backward(dy, _unit_scale(cache))[0], rms_norm_backward(dy, cache)[1]


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
    x = cache.xhat / cache.rstd
    return _dweight(dy, cache, lambda: (rows(dy) * rows(x)).sum(0))


@card.wrong_backward("weight-last-row", "at rank 3 and more, only the last matrix reaches dweight")
def _last(dy, cache):
    if dy.ndim < 3 or not len(dy):
        return rms_norm_backward(dy, cache)
    return _dweight(dy, cache, lambda: rows(dy[-1] * cache.xhat[-1]).sum(0))


@card.wrong_backward("weight-averaged", "dweight is the mean over the rows")
def _averaged(dy, cache):
    dx, dweight = rms_norm_backward(dy, cache)
    return dx, None if dweight is None else dweight / max(len(rows(dy)), 1)


@card.wrong_backward("single-precision", "dx is computed silently in float32")
def _float32(dy, cache):
    scale = None if cache.scale is None else cache.scale.astype(np.float32)
    narrow = RmsNormCache(cache.xhat.astype(np.float32), cache.rstd.astype(np.float32), scale)
    dx = rms_norm_backward(dy.astype(np.float32), narrow)[0].astype(dy.dtype)
    return dx, rms_norm_backward(dy, cache)[1]


def _forward(x, weight, plus_one, rstd):
    rstd = rstd.astype(x.dtype)
    scale = weight if weight is None or not plus_one else 1 + weight
    xhat = x * rstd
    return xhat if scale is None else xhat * scale, RmsNormCache(xhat, rstd, scale)


@card.wrong_forward("mean-subtracted", "the mean is subtracted, as in layer norm")
def _centred(x, weight=None, *, eps=1e-5, plus_one=False):
    return rms_norm_forward(x - _mean(x), weight, eps=eps, plus_one=plus_one)


@card.wrong_forward("eps-outside-the-root", "eps is added to the root, not to the mean square")
def _outside_root(x, weight=None, *, eps=1e-5, plus_one=False):
    return _forward(x, weight, plus_one, 1 / (np.sqrt(_mean(x * x)) + eps))


@card.wrong_forward("eps-forgotten", "eps is left out: a row of zeros divides by 0")
def _no_eps(x, weight=None, *, eps=1e-5, plus_one=False):
    return _forward(x, weight, plus_one, 1 / np.sqrt(_mean(x * x)))


@card.wrong_forward("sum-of-squares", "the squares are summed, not averaged")
def _sum_of_squares(x, weight=None, *, eps=1e-5, plus_one=False):
    return _forward(x, weight, plus_one, 1 / np.sqrt((x * x).sum(-1, keepdims=True) + eps))


@card.wrong_forward(
    "one-dropped-in-the-forward",
    "the weight is taken for the scale in the forward, and 1 + weight in the backward",
    seen="NVIDIA/Megatron-LM#6859",
    smallest="x (1,), weight (1,)",
    missed_by=option("plain weights", plus_one=False),
)
def _one_dropped(x, weight=None, *, eps=1e-5, plus_one=False):
    _, cache = rms_norm_forward(x, weight, eps=eps, plus_one=plus_one)
    return rms_norm_forward(x, weight, eps=eps)[0], cache


@card.wrong_forward(
    "one-dropped",
    "1 + weight is asked for, and the weight alone is used",
    seen="linkedin/Liger-Kernel#74",
    smallest="x (1,), weight (1,)",
    missed_by=OWN_FORWARD,
)
def _plain(x, weight=None, *, eps=1e-5, plus_one=False):
    return rms_norm_forward(x, weight, eps=eps)


@card.wrong_forward("one-dropped-in-the-backward", "the backward has the weight, not 1 + weight")
def _backward_plain(x, weight=None, *, eps=1e-5, plus_one=False):
    y, cache = rms_norm_forward(x, weight, eps=eps, plus_one=plus_one)
    return y, cache._replace(scale=weight)


@card.wrong_forward(
    "one-added-in-sixteen-bits",
    "1 + weight is rounded to half precision, as a model's weights are",
    seen="vllm-project/vllm#29810",
    smallest="x (1,), weight (1,)",
    missed_by=INITIAL,
)
def _half(x, weight=None, *, eps=1e-5, plus_one=False):
    if not plus_one:
        return rms_norm_forward(x, weight, eps=eps)
    return rms_norm_forward(x, (1 + weight).astype(np.float16).astype(x.dtype), eps=eps)


@card.wrong_forward("one-added-to-y", "the 1 is added to the product: xhat * weight + 1")
def _added(x, weight=None, *, eps=1e-5, plus_one=False):
    y, cache = rms_norm_forward(x, weight, eps=eps)
    return (y + 1, cache._replace(scale=1 + weight)) if plus_one else (y, cache)


@card.wrong_backward(
    "upstream-read-as-contiguous",
    "dy is read as if it were contiguous, whatever its strides are",
    beyond_forward=True,
    seen="flagos-ai/FlagGems#1068",
    smallest="x (2,)",
    missed_by=CONTIGUOUS,
)
def _contiguous(dy, cache):
    memory = stored(dy).ravel("K")
    read = np.zeros(dy.size, dy.dtype)
    read[: memory.size] = memory
    return rms_norm_backward(read.reshape(dy.shape), cache)


@card.wrong_backward(
    "weight-frozen",
    "dweight is never computed",
    seen="unslothai/unsloth#4533",
    smallest="x (1,), weight (1,)",
    missed_by=DX,
)
def _frozen(dy, cache):
    return _dweight(dy, cache, lambda: np.zeros_like(cache.scale))


@card.wrong_backward(
    "weight-gradient-after-dx",
    "dx overwrites dy before dweight is summed with it",
    seen="unslothai/unsloth#4550",
    smallest="x (1,), weight (1,)",
    missed_by=DX,
)
def _after(dy, cache):
    dx, _ = rms_norm_backward(dy, cache)
    return _dweight(dy, cache, lambda: (rows(dx) * rows(cache.xhat)).sum(0))


@card.wrong_backward(
    "detached",
    "the output is made outside the graph: neither x nor the weight gets a gradient",
    seen="paiml/aprender#2196",
    smallest="x (1,)",
    missed_by=OUTPUT,
)
def _detached(dy, cache):
    found = rms_norm_backward(dy, cache)
    return tuple(None if gradient is None else np.zeros_like(gradient) for gradient in found)
