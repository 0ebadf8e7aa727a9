"""The card of L2 normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import OUTPUT
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source
from npformer.ops import l2_norm
from npformer.ops.l2_norm import L2NormCache, l2_norm_backward, l2_norm_forward

card = OpCard.of(l2_norm)
card.owner = "Pooling"
card.variants = ({"eps": 10.0},)
card.words = {"y": "the row at length 1", "dx": "dx, without its part along y"}
card.edge("a row of zeros", {"x": np.zeros((2, 3))}, eps=1e-6)
card.edge("width 1", {"x": [[3.0], [-1]]})
card.edge("rows below and above eps", {"x": [[0.3, 0.4], [3.0, 4.0]]}, eps=1.0)
card.edge("large numbers", {"x": [[1e30, -1e30]]})
card.edge("no rows", {"x": np.zeros((0, 3, 4))})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """At rank 1 to 4; now and then an eps that some rows are shorter than."""
    letters = source.choice(("btd", "bd", "d", "abtd"))
    static = {"eps": source.choice((1e-12, 1e-3, 2.0))}
    spec = f"{letters} -> {letters}"
    return draw_case(source, spec, ("x",), dtype, static=lambda sizes: static, least={"d": 1})


def _length(x: Array) -> Array:
    return np.sqrt((x.astype(np.float64) ** 2).sum(-1, keepdims=True))


@card.scale
def scale(x: Array, *, eps: float = 1e-12, dy: Array, fp: FloatInfo) -> Scales:
    """Squares do not cancel: the length is known to an eps. y * <y dy> sums over D."""
    own = _length(x)
    length = np.maximum(own, eps)
    grown = walk(x.shape[-1])
    y = np.abs(x) / length
    along = np.where(own < eps, 0, (y * np.abs(dy)).sum(-1, keepdims=True))
    flush = fp.tiny * (1 + 1 / length)
    return {
        "y": 2 * grown * y + flush,
        "dx": (np.abs(dy) + (3 + grown) * y * along) / length * 2 + flush * (1 + np.abs(dy)),
    }


def _eps(case: Case) -> float:
    return float(case.static.get("eps", 1e-12))


def _ordinary(case: Case) -> Array:
    """Which rows are longer than eps, and not so long that their squares overflow (...)."""
    own = _length(case.inputs["x"])[..., 0]
    return (own > 2 * _eps(case)) & (own < 1e15) & (own > 1e-15)


@card.invariant("dx has no part along y", broken_by="along-dropped")
def _tangent(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    rows = _ordinary(case)
    y, dx = (result[name].astype(np.float64)[rows] for name in ("y", "dx"))
    off = (np.abs(y) * scales["dx"][rows] + np.abs(dx) * scales["y"][rows]).sum(-1)
    yield Finding((y * dx).sum(-1), 0.0, off)


@card.invariant("y has length 1", broken_by="mean-of-squares")
def _unit(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    rows = _ordinary(case)
    y = result["y"].astype(np.float64)[rows]
    yield Finding((y**2).sum(-1), 1.0, (2 * np.abs(y) * scales["y"][rows]).sum(-1) + 1)


@card.invariant("twice as long a row has half the gradient", broken_by="length-missing")
def _stretched(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """A power of two, so that no digit is rounded otherwise; where no length is eps."""
    x = case.inputs["x"]
    if not x.size or not _ordinary(case).all():
        return
    other = component.run(case.with_inputs({"x": 2 * x}))
    yield Finding(other["y"], result["y"], scales["y"])
    yield Finding(2 * other["dx"].astype(np.float64), result["dx"], 2 * scales["dx"])


def _dx(name, wrong, formula, **seen):
    """A wrong backward: formula(dy, y, length), where a row is longer than eps."""

    def backward(dy, cache):
        dx = formula(dy, cache.y, cache.length)
        return np.where(cache.constant, dy / cache.length, dx).astype(dy.dtype)

    card.wrong_backward(name, wrong, **seen)(backward)


def _sum(a):
    return a.sum(-1, keepdims=True)


_dx(
    "along-dropped",
    "the path through the length is left out: dx = dy / length",
    lambda dy, y, n: dy / n,
    missed_by=OUTPUT,
)
_dx("length-missing", "dx lacks the factor 1 / length", lambda dy, y, n: dy - y * _sum(y * dy))
_dx("length-twice", "dx is divided by the length twice",
    lambda dy, y, n: (dy - y * _sum(y * dy)) / n**2)  # fmt: skip
_dx("mean-for-sum", "a mean over D stands where the sum belongs, as in RMS norm",
    lambda dy, y, n: (dy - y * _sum(y * dy) / dy.shape[-1]) / n)  # fmt: skip
_dx("sign-turned", "the part along y is added", lambda dy, y, n: (dy + y * _sum(y * dy)) / n)
_dx("factor-two", "the two of the square is not cancelled by the root's half",
    lambda dy, y, n: (dy - 2 * y * _sum(y * dy)) / n)  # fmt: skip
_dx("along-of-x", "the sum is of x * dy, not of y * dy",
    lambda dy, y, n: (dy - y * _sum(y * n * dy)) / n)  # fmt: skip
_dx("dy-not-weighted", "the sum is of dy alone", lambda dy, y, n: (dy - y * _sum(dy)) / n)


@card.wrong_backward("below-eps-turned", "rows shorter than eps lose their part along y too")
def _below(dy, cache):
    return (dy - cache.y * _sum(cache.y * dy)) / cache.length


@card.wrong_backward("single-precision", "dx is computed silently in float32")
def _float32(dy, cache):
    narrow = L2NormCache(cache.y.astype(np.float32), cache.length.astype(np.float32),
                         cache.constant)  # fmt: skip
    return l2_norm_backward(dy.astype(np.float32), narrow).astype(dy.dtype)


def _forward(name, wrong, length):
    """A wrong output with a backward of its own length: length(x, eps)."""

    def forward(x, *, eps=1e-12):
        n = length(x, eps).astype(x.dtype)
        y = x / n
        return y, l2_norm_forward(x, eps=eps)[1]._replace(y=y, length=n)

    card.wrong_forward(name, wrong)(forward)


_forward("mean-of-squares", "the mean of the squares is taken, as in RMS norm",
         lambda x, eps: np.maximum(_length(x) / np.sqrt(x.shape[-1]), eps))  # fmt: skip
_forward("eps-added", "eps is added to the length", lambda x, eps: _length(x) + eps)
_forward("eps-forgotten", "eps is left out: a row of zeros divides by 0",
         lambda x, eps: _length(x))  # fmt: skip
_forward("root-forgotten", "the root is left out: x is divided by the sum of its squares",
         lambda x, eps: np.maximum(_length(x) ** 2, eps))  # fmt: skip
_forward("sum-of-sizes", "the sum of the sizes is taken, an L1 norm",
         lambda x, eps: np.maximum(np.abs(x).sum(-1, keepdims=True), eps))  # fmt: skip
