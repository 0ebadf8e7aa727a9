"""The card of rotary positions: pairs of columns turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import OUTPUT, only, option
from npformer.cards.scales import FloatInfo, Scales
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import rotary
from npformer.ops.rotary import ROTARY_LAYOUTS, RotaryCache, rotary_backward, rotary_forward

card = OpCard.of(rotary)
card.owner = "RotaryPositions"
card.constants = ("cos", "sin")
card.words = {"y": "the turn", "dx": "the turn by the opposite angle"}


def _angles(t: int, points: int) -> tuple[Array, Array]:
    angles = np.arange(t * points).reshape(t, points) * 0.7
    return np.cos(angles), np.sin(angles)


for _layout in ROTARY_LAYOUTS:
    for _words, _shape, _count in (
        ("one point", (1, 1, 1, 2), 1),
        ("half of a head stands still", (1, 3, 2, 8), 2),
        ("an odd column is left over", (2, 2, 1, 5), 2),
        ("no sentences", (0, 3, 2, 4), 2),
        ("no tokens", (2, 0, 2, 4), 2),
    ):
        _cos, _sin = _angles(_shape[1], _count)
        card.edge(
            f"{_words}, {_layout}",
            {"x": np.arange(np.prod(_shape), dtype=float).reshape(_shape) - 3},
            cos=_cos,
            sin=_sin,
            layout=_layout,
        )


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """The whole head or a part of it, one row of angles for all sentences or one each.

    Now and then the tables carry a factor, as YaRN's do.
    """

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        rng = draw_rng(source)
        points = source.choice((max(sizes["h"] // 2, 1), 1))
        shape = [sizes["t"], points]
        if source.choice((False, True)):
            shape.insert(0, sizes["b"])
        angles = rng.uniform(-40, 40, shape)
        factor = source.choice((1.0, 1.3))
        cos, sin = ((factor * f(angles)).astype(dtype) for f in (np.cos, np.sin))
        return {"cos": cos, "sin": sin, "layout": source.choice(ROTARY_LAYOUTS)}

    case = draw_case(source, "btnh -> btnh", ("x",), dtype, static=static, least={"h": 4})
    if case.dy.shape[-1] > 1:
        return case
    # Whoever makes a case smaller may ask for less than a pair of columns.
    inputs = {name: np.repeat(a, 2, -1) for name, a in case.inputs.items()}
    return Case(inputs, case.static, np.repeat(case.dy, 2, -1))


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    angles = rng.uniform(-3, 3, (3, 2))
    return {"x": rng.standard_normal((b, 3, 2, 6))}, {"cos": np.cos(angles), "sin": np.sin(angles)}


card.variants = ({"layout": "interleaved"},)


def _sides(points: int, layout: str) -> tuple[slice, slice]:
    """Which columns are a point's a, and which its b."""
    if layout == "half":
        return slice(points), slice(points, 2 * points)
    return slice(0, 2 * points, 2), slice(1, 2 * points, 2)


@card.scale
def scale(
    x: Array, *, cos: Array, sin: Array, layout: str, dy: Array, fp: FloatInfo, **_: Any
) -> Scales:
    """Two products and their sum; columns that stand still are copied."""
    first, second = _sides(cos.shape[-1], layout)
    cos, sin = (np.abs(table)[..., None, :] for table in (cos, sin))
    found = {}
    for name, array in (("y", x), ("dx", dy)):
        size = np.abs(array)
        a, b = (size[..., side].copy() for side in (first, second))
        size[..., first], size[..., second] = a * cos + b * sin, b * cos + a * sin
        found[name] = size + 2 * fp.tiny
    return found


def _points(array: Array, case: Case) -> tuple[Array, Array]:
    """a and b of every point, in float64."""
    first, second = _sides(case.static["cos"].shape[-1], case.static["layout"])
    array = array.astype(np.float64)
    return array[..., first], array[..., second]


def _factors(case: Case) -> Array:
    """cos^2 + sin^2, (T, 1, R/2) or (B, T, 1, R/2)."""
    cos, sin = (case.static[name].astype(np.float64)[..., None, :] for name in ("cos", "sin"))
    return cos**2 + sin**2


def _squares(a: Array, case: Case) -> Array:
    first, second = _points(a, case)
    return first**2 + second**2


def _fits(case: Case, *arrays: Array) -> bool:
    """Whether squares neither overflow nor vanish."""
    return all(not a.size or 1e-100 < np.abs(a).max() < 1e100 for a in arrays)


@card.invariant("a turn keeps the length of every point", broken_by="sine-once")
def _length(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """|y|^2 = m^2 |x|^2 for each pair of columns, m the factor of the tables."""
    if not _fits(case, case.inputs["x"]):
        return
    expected = _factors(case) * _squares(case.inputs["x"], case)
    a, b = _points(scales["y"], case)
    yield Finding(_squares(result["y"], case), expected, 4 * np.maximum(a, b) ** 2)


@card.invariant("dx turned as x is turned is dy", broken_by="not-turned-back")
def _back(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The backward is the turn by the opposite angle: forward after it gives m^2 dy back."""
    again = case.with_inputs({"x": result["dx"]})
    forth = _points(component.forward(again), case)
    factors = _factors(case)
    a, b = _points(scales["dx"], case)
    for value, dy in zip(forth, _points(case.dy, case), strict=True):
        yield Finding(value, factors * dy, 3 * (a + b))


@card.invariant("scores know differences of positions alone", broken_by="sine-of-the-query")
def _difference(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """All positions moved by one angle: products of any two turned tokens stay what they were."""
    x = case.inputs["x"]
    if not _fits(case, x):
        return
    cos, sin = (case.static[name].astype(np.float64) for name in ("cos", "sin"))
    step = np.linspace(0.5, 2.0, cos.shape[-1])
    moved = cos * np.cos(step) - sin * np.sin(step), sin * np.cos(step) + cos * np.sin(step)
    static = {
        **case.static,
        **{name: table.astype(x.dtype) for name, table in zip(("cos", "sin"), moved, strict=True)},
    }
    other = component.forward(Case(case.inputs, static, case.dy)).astype(np.float64)
    here = result["y"].astype(np.float64)
    points = 2 * cos.shape[-1]
    for array in (here, other):
        array[..., points:] = 0  # what stands still is the same on both sides
    a, b = _points(scales["y"], case)
    size = a + b  # of both columns of a point
    products = [np.einsum("btnh,bsnh->bnts", each, each) for each in (here, other)]
    yield Finding(products[1], products[0], 16 * np.einsum("btni,bsni->bnts", size, size))


@card.invariant("columns past the width stand still", broken_by="whole-head-turned")
def _still(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    width = 2 * case.static["cos"].shape[-1]
    yield Finding(result["y"][..., width:], case.inputs["x"][..., width:], 0.0)
    yield Finding(result["dx"][..., width:], case.dy[..., width:], 0.0)


def _whole(case: Case) -> bool:
    return case.inputs["x"].shape[-1] == 2 * case.static["cos"].shape[-1]


@card.wrong_backward("not-turned-back", "the gradient is turned forward, as x was")
def _forward_again(dy, cache):
    return rotary_forward(dy, cache.cos, cache.sin, layout=cache.layout)[0]


@card.wrong_backward(
    "no-backward",
    "the fast kernel has no backward: no gradient reaches what was turned, without an error",
    seen="huggingface/candle#3612",
    smallest="x (1, 1, 1, 2), cos (1, 1), sin (1, 1)",
    missed_by=OUTPUT,
)
def _none(dy, cache):
    return np.zeros_like(dy)


@card.wrong_backward("passed-through", "the gradient is handed on as it is, not turned")
def _through(dy, cache):
    return dy.copy()


@card.wrong_backward(
    "overwritten",
    "dx is written where dy is: the second column of a point is made from the first one's result",
    seen="NVIDIA/Megatron-LM#5980",
    smallest="x (1, 1, 1, 2), cos (1, 1), sin (1, 1)",
    missed_by=OUTPUT,
)
def _in_place(dy, cache):
    dx = rotary_backward(dy, cache)
    first, second = _sides(cache.cos.shape[-1], cache.layout)
    cos, sin = cache.cos[..., None, :], cache.sin[..., None, :]
    dx[..., second] = dy[..., second] * cos - dx[..., first] * sin
    return dx


@card.wrong_backward("divided-by-the-factor", "the inverse turn is taken for the transpose: where "
                     "the tables carry a factor, dx is divided by it")  # fmt: skip
def _inverse(dy, cache):
    square = cache.cos[..., :1] ** 2 + cache.sin[..., :1] ** 2
    return rotary_backward(dy, cache._replace(cos=cache.cos / square, sin=cache.sin / square))


@card.wrong_backward("other-layout", "the backward takes the other layout's pairs of columns")
def _layout_lost(dy, cache):
    other = "interleaved" if cache.layout == "half" else "half"
    return rotary_backward(dy, cache._replace(layout=other))


@card.wrong_backward("rest-forgotten", "columns past the width get no gradient")
def _rest(dy, cache):
    dx = rotary_backward(dy, cache)
    dx[..., 2 * cache.cos.shape[-1] :] = 0
    return dx


@card.wrong_forward(
    "layout-ignored",
    "weights of the layout of halves are turned in interleaved pairs: fluent nonsense",
    seen="ooples/AiDotNet#2074",
    smallest="x (1, 1, 1, 4), cos (1, 2), sin (1, 2)",
    missed_by=option("the interleaved layout", layout="interleaved"),
)
def _always_interleaved(x, cos, sin, *, layout="half"):
    return rotary_forward(x, cos, sin, layout="interleaved")


@card.wrong_forward(
    "whole-head-turned",
    "the width is taken to be the whole head's: its other columns are turned as well",
    seen="vllm-project/vllm#43676",
    smallest="x (1, 1, 1, 4), cos (1, 1), sin (1, 1)",
    missed_by=only("a head that is turned whole", _whole),
)
def _all_columns(x, cos, sin, *, layout="half"):
    points = x.shape[-1] // 2
    cos, sin = (np.resize(table, (*table.shape[:-1], points)) for table in (cos, sin))
    return rotary_forward(x, cos, sin, layout=layout)


@card.wrong_forward("sine-once", "b is turned without a's share: y_b = b * cos")
def _once(x, cos, sin, *, layout="half"):
    y, cache = rotary_forward(x, cos, sin, layout=layout)
    still, _ = rotary_forward(x, cos, np.zeros_like(sin), layout=layout)
    second = _sides(cos.shape[-1], layout)[1]
    y[..., second] = still[..., second]
    return y, cache


@card.wrong_forward("turned-clockwise", "the sign of the sine is turned about")
def _clockwise(x, cos, sin, *, layout="half"):
    return rotary_forward(x, cos, -sin, layout=layout)


@card.wrong_forward("sine-of-the-query", "a takes its angle from the first token's row of the "
                    "tables")  # fmt: skip
def _first_row(x, cos, sin, *, layout="half"):
    if not cos.size:
        return rotary_forward(x, cos, sin, layout=layout)
    y, cache = rotary_forward(x, cos, sin, layout=layout)
    first = (np.broadcast_to(table[..., :1, :], table.shape) for table in (cos, sin))
    other, _ = rotary_forward(x, *first, layout=layout)
    a = _sides(cos.shape[-1], layout)[0]
    y[..., a] = other[..., a]
    return y, cache


@card.wrong_forward("heads-for-tokens", "the tables are laid along the heads, not the tokens")
def _along_heads(x, cos, sin, *, layout="half"):
    n, t = x.shape[2], x.shape[1]
    if cos.ndim > 2 or n > t:
        return rotary_forward(x, cos, sin, layout=layout)
    y, _ = rotary_forward(x.swapaxes(1, 2), cos[:n], sin[:n], layout=layout)
    return y.swapaxes(1, 2), RotaryCache(cos, sin, layout)


@card.wrong_forward("single-precision", "angles are rounded to float32, whatever x is")
def _float32(x, cos, sin, *, layout="half"):
    cos, sin = (table.astype(np.float32).astype(table.dtype) for table in (cos, sin))
    return rotary_forward(x, cos, sin, layout=layout)
