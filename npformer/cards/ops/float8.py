"""The card of the cast to eight bits of floating point."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import float8
from npformer.ops.float8 import FORMATS, Float8Cache, float8_backward, float8_forward

card = OpCard.of(float8)
card.straight_through = True
card.words = {"y": "the nearest float of eight bits", "dx": "dy, where nothing was clipped"}
card.edge("ties", {"x": [[1.0625, 1.1875, 17.0, 19.0, 0.0, -1.0625]]})
card.edge("the largest, and more", {"x": [[448.0, -448.0, 449.0, 465.0, 1e6]]})
card.edge("the largest of the other", {"x": [[57344.0, -57345.0, 6e4, 1e6]]}, kind="e5m2")
card.edge("below the normal ones", {"x": [[2.0**-9, 2.0**-10, 3 * 2.0**-11, 2.0**-7, 1e-30]]})
card.edge("nothing at all", {"x": np.zeros((0, 3))})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Every power of two from what becomes 0 to what is clipped."""
    case = draw_case(source, "bd -> bd", ("x",), dtype)
    kind, scale = source.choice(tuple(FORMATS)), source.choice((1.0, 0.013, 300.0))
    form, rng, shape = FORMATS[kind], draw_rng(source), case.dy.shape
    low, high = form.least - form.fraction - 2.0, np.log2(form.largest) + 1.5
    size = 2 ** rng.uniform(low, high, shape) * rng.choice([-1.0, 1.0], shape)
    return Case({"x": (scale * size).astype(dtype)}, {"scale": scale, "kind": kind}, case.dy)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return {"x": 300 * rng.standard_normal((b, 5))}, {"scale": 1.5, "kind": "e4m3"}


def _scaled(case: Case) -> Array:
    return case.inputs["x"].astype(np.float64) / case.static.get("scale", 1.0)


_forward = inspect.unwrap(card.pair[0])


@card.scale
def scale(
    x: Array, *, scale: float = 1.0, kind: Any = "e4m3", dy: Array, fp: FloatInfo
) -> Scales:  # fmt: skip
    """A float of eight bits times the scale; dy itself."""
    y, cache = _forward(x, scale=scale, kind=kind)
    return {"y": np.abs(y) + fp.tiny, "dx": np.where(cache.inside, np.abs(dy), 0) + fp.tiny}


@card.invariant("what has eight bits stays where it is", broken_by="scale-twice")
def _again(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    again = of.run(case.with_inputs({"x": result["y"]}))
    yield Finding(again["y"], result["y"], 2 * scales["y"])


@card.invariant("a normal number is off by 2^-(m + 1) of it at most", broken_by="truncated")
def _relative(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    form, u = FORMATS[case.static.get("kind", "e4m3")], _scaled(case)
    normal = (np.abs(u) >= 2.0**form.least) & (np.abs(u) <= form.largest)
    off = np.abs(result["y"].astype(np.float64) / case.static.get("scale", 1.0) - u)
    most = np.abs(u) * 2.0 ** -(form.fraction + 1)
    yield Finding(np.where(normal, np.maximum(off - most, 0), 0), 0.0, 4 * np.abs(u) + 1e-300)


@card.invariant("dx is dy, and 0 where |x| was too large", broken_by="all-passes")
def _mask(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    largest, u = FORMATS[case.static.get("kind", "e4m3")].largest, np.abs(_scaled(case))
    sure = np.abs(u - largest) > 1e-5 * largest
    passed = np.where(u <= largest, case.dy, 0)
    yield Finding(np.where(sure, result["dx"] - passed, 0), 0.0, 0.0)


def _with(form, x, scale, kind):
    """The forward with another format."""
    right = FORMATS[kind]
    try:
        FORMATS[kind] = form
        return float8_forward(x, scale=scale, kind=kind)
    finally:
        FORMATS[kind] = right


@card.wrong_forward("all-passes", "what was clipped gets the gradient too")
def _all(x, *, scale=1.0, kind="e4m3"):
    y, cache = float8_forward(x, scale=scale, kind=kind)
    return y, Float8Cache(np.ones_like(cache.inside))


@card.wrong_forward("truncated", "the fraction is cut off, and not rounded")
def _truncated(x, *, scale=1.0, kind="e4m3"):
    _, cache = float8_forward(x, scale=scale, kind=kind)
    form, u = FORMATS[kind], np.clip(x / scale, -FORMATS[kind].largest, FORMATS[kind].largest)
    step = np.ldexp(np.ones_like(u), np.maximum(np.frexp(u)[1] - 1, form.least) - form.fraction)
    return (np.trunc(u / step) * step * scale).astype(x.dtype), cache


@card.wrong_forward("no-subnormals", "what is below the smallest normal number becomes 0")
def _flushed(x, *, scale=1.0, kind="e4m3"):
    y, cache = float8_forward(x, scale=scale, kind=kind)
    return np.where(np.abs(x / scale) < 2.0 ** FORMATS[kind].least, 0, y).astype(x.dtype), cache


@card.wrong_forward("a-bit-less", "the fraction has one bit less")
def _bit(x, *, scale=1.0, kind="e4m3"):
    form = FORMATS[kind]
    return _with(form._replace(fraction=form.fraction - 1), x, scale, kind)


@card.wrong_forward(
    "largest-of-ieee", "the largest exponent is kept for inf and NaN: e4m3 ends at 240"
)
def _ieee(x, *, scale=1.0, kind="e4m3"):
    form = FORMATS[kind]
    return _with(form._replace(largest=240.0) if kind == "e4m3" else form, x, scale, kind)


@card.wrong_forward("scale-twice", "the scale is multiplied in and not taken out before")
def _twice(x, *, scale=1.0, kind="e4m3"):
    y, cache = float8_forward(x, kind=kind)
    return (y * scale).astype(x.dtype), cache


@card.wrong_backward("gradient-cast", "dy is cast to eight bits as well",
                     beyond_forward=True)  # fmt: skip
def _cast(dy, cache):
    return float8_forward(float8_backward(dy, cache))[0]


@card.wrong_backward("derivative-of-round", "round is differentiated: nothing learns",
                     beyond_forward=True)  # fmt: skip
def _flat(dy, cache):
    return np.zeros_like(float8_backward(dy, cache))


@card.wrong_backward("upstream-ignored", "dy is taken for 1", beyond_forward=True)
def _upstream(dy, cache):
    return float8_backward(np.ones_like(dy), cache)
