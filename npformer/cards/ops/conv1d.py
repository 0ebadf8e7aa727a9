"""The card of the convolution over time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.degrees import same_degree
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source, draw_array, draw_exponents, draw_sizes
from npformer.ops import conv1d
from npformer.ops.conv1d import conv1d_backward, conv1d_forward, sides, windows_of

card = OpCard.of(conv1d)
card.owner = "Conv1d"
card.variants = ({"stride": 2, "padding": 1}, {"padding": (2, 0)})
card.words = {
    "y": "windows weight^T",
    "dx": "dwindows, added where the windows were read",
    "dweight": "dy^T windows",
    "dbias": "the sum of dy over windows and batch",
}
ONE = {"x": [[[1.0], [2.0], [3.0], [4.0]]], "weight": [[[1.0, -1.0]]]}
card.edge("one window", {"x": [[[1.0], [2.0]]], "weight": [[[1.0, -1.0]]], "bias": [0.5]})
card.edge("a stride that leaves the last position out", {**ONE, "weight": [[[1.0]]]}, stride=3)
card.edge("a stride wider than the window", {**ONE, "weight": [[[2.0]]]}, stride=2)
card.edge("a window of padding alone", {"x": np.zeros((1, 0, 1)), "weight": [[[1.0, 2.0]]]},
          padding=1)  # fmt: skip
card.edge("no sentences", {"x": np.zeros((0, 4, 1)), "weight": [[[1.0, 2.0]]]})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Widths 1 to 4, strides 1 to 3, padding on both sides, on one and none."""
    z = draw_sizes(source, "btio", {"t": 1, "i": 1, "o": 1})
    width, stride = source.choice((3, 1, 2, 4)), source.choice((1, 2, 3))
    options: tuple[int | tuple[int, int], ...] = (0, 1, (width - 1, 0), (0, 2), 3)
    padding = source.choice(options)
    short = width - z["t"] - sum(sides(padding))
    t = z["t"] + max(short, 0)
    count = (t + sum(sides(padding)) - width) // stride + 1
    shapes = {
        "x": (z["b"], t, z["i"]),
        "weight": (z["o"], z["i"], width),
        **({"bias": (z["o"],)} if source.choice((True, False)) else {}),
        "dy": (z["b"], count, z["o"]),
    }
    exponents = draw_exponents(source, len(shapes), [(-310, 30)] * len(shapes))
    arrays = {
        name: draw_array(source, shape, np.dtype(dtype), exponent, upstream=name == "dy")
        for (name, shape), exponent in zip(shapes.items(), exponents, strict=True)
    }
    dy = arrays.pop("dy")
    return Case(arrays, {"stride": stride, "padding": padding}, dy)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    shapes = {"x": (b, 6, 2), "weight": (3, 2, 3), "bias": (3,)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}, {}


# Without the seam: while a module's scale is measured, every call of the op asks for this one.
_forward, _backward = map(inspect.unwrap, card.pair)


@card.scale
def scale(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """The op on absolute values: its sums are products over windows, rows and outputs."""
    absolute, (o, i, width) = np.abs(x), weight.shape
    y, cache = _forward(absolute, np.abs(weight), stride=stride, padding=padding)
    dx, dweight, _ = _backward(np.abs(dy), cache)
    terms, r = i * width, dy.shape[0] * dy.shape[1]
    y = walk(terms) * (y + fp.tiny * (1 + terms))
    scales = {
        "y": y if bias is None else y + np.abs(bias),
        "dx": (walk(o) + width) * dx + fp.tiny * (1 + o * width),
        "dweight": walk(r) * dweight + fp.tiny * (1 + r),
    }
    if bias is not None:
        scales["dbias"] = walk(r) * np.abs(dy).sum((0, 1)) + fp.tiny
    return scales


card.invariant("<dx, x> = <dweight, weight>", broken_by="weight-averaged")(
    same_degree("x", "weight")
)


@card.invariant("positions that no window holds get 0", broken_by="stride-forgotten")
def _passed_over(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    x, static = case.inputs["x"], case.static
    reached = np.ones((1, x.shape[1], 1))
    width = case.inputs["weight"].shape[2]
    ones, cache = _forward(reached, np.ones((1, 1, width)), **static)
    held = _backward(np.ones_like(ones), cache)[0][0, :, 0] > 0  # (T,)
    yield Finding(result["dx"][:, ~held], 0.0, 0.0)


@card.invariant("with stride 1, a step of all positions is a step of y", broken_by="weight-turned")
def _window(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Each y is the same product of its own window alone."""
    a, static = case.inputs, case.static
    windows = windows_of(a["x"], a["weight"].shape[2], static["stride"], sides(static["padding"]))
    expected = np.einsum("blik,oik->blo", windows.astype(np.float64), a["weight"])
    bias = a.get("bias")
    yield Finding(result["y"], expected if bias is None else expected + bias, scales["y"])


def _wrong(name: str, wrong: str, **seen: Any) -> Any:
    """A backward of which some gradients are replaced: formula(dy, cache, right)."""

    def decorate(formula: Any) -> Any:
        def backward(dy, cache):
            right = dict(zip(("dx", "dweight", "dbias"), conv1d_backward(dy, cache), strict=True))
            return tuple({**right, **formula(dy, cache, right)}.values())

        return card.wrong_backward(name, wrong, **seen)(backward)

    return decorate


@_wrong("last-window-only", "of the windows that hold a position, the last one's gradient counts")
def _(dy, cache, right):
    windows, weight, _, length, stride, (left, side) = cache
    dwindows = np.einsum("blo,oik->blik", dy, weight)
    dpadded = np.zeros((len(dy), left + length + side, windows.shape[2]), dy.dtype)
    for at in range(windows.shape[1]):
        begin = at * stride
        dpadded[:, begin : begin + weight.shape[2]] = dwindows[:, at].transpose(0, 2, 1)
    return {"dx": dpadded[:, left : left + length]}


@_wrong("weight-not-turned", "dx is the convolution of dy with the weight as it is")
def _(dy, cache, right):
    turned = cache._replace(weight=cache.weight[:, :, ::-1])
    return {"dx": conv1d_backward(dy, turned)[0]}


@_wrong("padding-kept", "dx begins with the padding's gradient")
def _(dy, cache, right):
    left, side = cache.padding
    whole = conv1d_backward(dy, cache._replace(length=cache.length + left, padding=(0, side)))[0]
    return {"dx": whole[:, : cache.length]}


@_wrong("stride-forgotten", "dx is added with stride 1")
def _(dy, cache, right):
    if cache.stride == 1:
        return {}
    one = conv1d_backward(dy, cache._replace(stride=1))[0]
    return {"dx": one}


@_wrong("weight-averaged", "dweight is averaged over the windows")
def _(dy, cache, right):
    return {"dweight": right["dweight"] / max(dy.shape[1], 1)}


@_wrong("weight-of-one-sentence", "dweight is the first sentence's")
def _(dy, cache, right):
    if not len(dy):
        return {}
    return {"dweight": np.einsum("lo,lik->oik", dy[0], cache.windows[0])}


@_wrong("bias-over-the-batch-only", "dbias is summed over sentences, and of one window")
def _(dy, cache, right):
    return {} if right["dbias"] is None or not dy.size else {"dbias": dy.sum(0)[0]}


@card.wrong_forward("weight-turned", "the weight is turned round, as in a book's convolution")
def _turned(x, weight, bias=None, *, stride=1, padding=0):
    y, _ = conv1d_forward(x, weight[:, :, ::-1], bias, stride=stride, padding=padding)
    return y, conv1d_forward(x, weight, bias, stride=stride, padding=padding)[1]


@card.wrong_forward("padding-on-the-right", "all padding is put behind the last position")
def _right_side(x, weight, bias=None, *, stride=1, padding=0):
    return conv1d_forward(x, weight, bias, stride=stride, padding=(0, sum(sides(padding))))


@card.wrong_forward("stride-from-the-end", "with a stride, windows are counted from the end")
def _from_the_end(x, weight, bias=None, *, stride=1, padding=0):
    left, right = sides(padding)
    late = (x.shape[1] + left + right - weight.shape[2]) % stride
    padded = np.pad(x, ((0, 0), (left, right), (0, 0)))[:, late:]
    y, _ = conv1d_forward(padded, weight, bias, stride=stride)
    return y, conv1d_forward(x, weight, bias, stride=stride, padding=padding)[1]
