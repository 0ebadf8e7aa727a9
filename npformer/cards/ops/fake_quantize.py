"""The card of fake quantisation."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import only
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import fake_quantize
from npformer.ops.array import sum_to
from npformer.ops.fake_quantize import (
    FakeQuantizeCache,
    fake_quantize_backward,
    fake_quantize_forward,
)

card = OpCard.of(fake_quantize)
card.owner = "QuantizedLinear"
card.straight_through = True
card.words = {"y": "the nearest number of the grid", "dx": "dy, where nothing was clipped"}
GRIDS = ((0, -8, 7), (0, -127, 127), (5, 0, 15))
"""zero, low and high."""

_TIES = [[-8.5, -8.4, -8.0, -0.5], [0.5, 1.5, 2.5, 7.49], [7.5, 7.6, 100.0, 0.0]]
card.edge("ties, and both ends", {"x": _TIES, "scale": 1.0}, low=-8, high=7)
card.edge("a scale a row", {"x": _TIES, "scale": [[0.5], [2.0], [1.0]]}, low=-8, high=7)
card.edge("nothing at all", {"x": np.zeros((0, 3)), "scale": 1.0})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Both ends and beyond, a scale for all and one a row, three grids; no number near a tie."""
    zero, low, high = source.choice(GRIDS)
    case = draw_case(source, source.choice(("bd, . -> bd", "bd, bo -> bd")), ("x", "scale"), dtype)
    rng, shape = draw_rng(source), case.inputs["x"].shape
    by_row = case.inputs["scale"].ndim == 2
    scale = np.exp(rng.normal(0, 2, (shape[0], 1) if by_row else ())).astype(dtype)
    near = rng.integers(low - 3, high + 4, shape)
    ends = rng.random(shape) < 0.3
    near = np.where(ends, rng.choice([low, high], shape), near) - zero
    x = (scale * (near + rng.uniform(-0.4, 0.4, shape))).astype(dtype)
    static = {"zero": zero, "low": low, "high": high}
    return Case({"x": x, "scale": scale}, static, case.dy)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return (
        {"x": 8 * rng.standard_normal((b, 5)), "scale": 1 + rng.random((b, 1))},
        {"low": -8, "high": 7},
    )


_forward = inspect.unwrap(card.pair[0])


@card.scale
def scale(
    x: Array, scale: Array, *, zero: Any = 0, low: int = -128, high: int = 127, dy: Array,
    fp: FloatInfo,
) -> Scales:  # fmt: skip
    """A product; dy itself; the error of a rounding, whose terms are as large as u."""
    y, cache = _forward(x, scale, zero=zero, low=low, high=high)
    each = np.where(cache.inside, np.abs(x / scale) + np.abs(y / scale), np.abs(cache.slope))
    shared = max(x.size // max(scale.size, 1), 1)
    return {
        "y": np.abs(y) + fp.tiny,
        "dx": np.where(cache.inside, 2 * np.abs(dy), 0) + fp.tiny,
        "dscale": walk(shared) * sum_to(np.abs(dy) * each, scale.shape) + fp.tiny,
    }


@card.invariant("what is on the grid stays where it is", broken_by="zero-not-subtracted")
def _again(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    again = of.run(case.with_inputs({"x": result["y"]}))
    yield Finding(again["y"], result["y"], scales["y"])


@card.invariant("dx is dy inside, and 0 outside", broken_by="all-passes")
def _mask(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    static = case.static
    q = np.rint(case.inputs["x"] / case.inputs["scale"]) + static.get("zero", 0)
    inside = (q >= static.get("low", -128)) & (q <= static.get("high", 127))
    yield Finding(result["dx"], np.where(inside, case.dy, 0), 0.0)


@card.invariant("inside, x is moved by half a step at most", broken_by="truncated")
def _half(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    static, x = case.static, case.inputs["x"].astype(np.float64)
    u = x / case.inputs["scale"]
    q = np.rint(u) + static.get("zero", 0)
    inside = (q >= static.get("low", -128)) & (q <= static.get("high", 127))
    off = np.where(inside, np.abs(result["y"] - x) / case.inputs["scale"], 0)
    yield Finding(np.maximum(off - 0.5, 0), 0.0, 1 + np.abs(u))


def _steps(x, scale, **grid):
    """q without clipping, in float64, and the grid."""
    zero, low, high = grid.get("zero", 0), grid.get("low", -128), grid.get("high", 127)
    return np.rint(x.astype(np.float64) / scale) + zero, low, high


def _unclipped(case: Case) -> bool:
    q, low, high = _steps(case.inputs["x"], case.inputs["scale"], **case.static)
    return bool(((low <= q) & (q <= high)).all())


def _off_the_ends(case: Case) -> bool:
    q, low, high = _steps(case.inputs["x"], case.inputs["scale"], **case.static)
    return not ((q == low) | (q == high)).any()


@card.wrong_forward(
    "all-passes",
    "what was clipped gets the gradient too",
    seen="microsoft/nni#3160",
    smallest="x (1, 1), scale ()",
    missed_by=only("no number beyond the range", _unclipped),
)
def _all(x, scale, **grid):
    y, cache = fake_quantize_forward(x, scale, **grid)
    return y, cache._replace(inside=np.ones_like(cache.inside))


@card.wrong_forward(
    "ends-lost",
    "a number that rounds to an end of the grid gets no gradient",
    seen="pytorch/ao#4806",
    smallest="x (1, 1), scale ()",
    missed_by=only("no number at an end of the range", _off_the_ends),
)
def _ends(x, scale, **grid):
    y, cache = fake_quantize_forward(x, scale, **grid)
    q, low, high = _steps(x, scale, **grid)
    return y, cache._replace(inside=(low < q) & (q < high))


@card.wrong_forward("masked-before-rounding", "the mask is made of x / scale, before it is rounded")
def _before(x, scale, **grid):
    y, cache = fake_quantize_forward(x, scale, **grid)
    _, low, high = _steps(x, scale, **grid)
    u = x / scale + grid.get("zero", 0)
    return y, cache._replace(inside=(low <= u) & (u <= high))


@card.wrong_forward("truncated", "numbers are cut off, and not rounded")
def _truncated(x, scale, **grid):
    _, cache = fake_quantize_forward(x, scale, **grid)
    _, low, high = _steps(x, scale, **grid)
    zero = grid.get("zero", 0)
    q = np.clip(np.trunc(x / scale) + zero, low, high)
    return ((q - zero) * scale).astype(x.dtype), cache


@card.wrong_forward("not-clipped", "what is beyond the range is kept")
def _not_clipped(x, scale, **grid):
    return (np.rint(x / scale) * scale).astype(x.dtype), fake_quantize_forward(x, scale, **grid)[1]


@card.wrong_forward("zero-not-subtracted", "the grid's zero is added and not taken off again")
def _zero(x, scale, **grid):
    y, cache = fake_quantize_forward(x, scale, **grid)
    return (y + grid.get("zero", 0) * scale).astype(x.dtype), cache


@card.wrong_backward("derivative-of-round", "round is differentiated: nothing learns",
                     beyond_forward=True)  # fmt: skip
def _flat(dy, cache):
    dx, dscale = fake_quantize_backward(dy, cache)
    return np.zeros_like(dx), dscale


@card.wrong_backward("scale-through-the-rounding", "dscale inside lacks - x / scale",
                     beyond_forward=True)  # fmt: skip
def _whole(dy, cache):
    slope = np.where(cache.inside, np.rint(cache.slope) + 1, cache.slope).astype(cache.slope.dtype)
    return fake_quantize_backward(dy, cache._replace(slope=slope))


@card.wrong_backward("scale-of-what-is-inside", "what is clipped tells the scale nothing",
                     beyond_forward=True)  # fmt: skip
def _inside(dy, cache):
    slope = np.where(cache.inside, cache.slope, 0)
    return fake_quantize_backward(dy, cache._replace(slope=slope))


@card.wrong_backward("upstream-ignored", "dy is taken for 1", beyond_forward=True)
def _upstream(dy, cache):
    return fake_quantize_backward(np.ones_like(dy), cache)


@card.wrong_backward("scale-mean", "dscale is the mean over what shares it", beyond_forward=True)
def _mean(dy, cache: FakeQuantizeCache):
    dx, dscale = fake_quantize_backward(dy, cache)
    shared = max(dy.size // max(dscale.size, 1), 1)
    return dx, dscale / np.asarray(shared, dscale.dtype)
