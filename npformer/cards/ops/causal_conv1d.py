"""The card of the short causal convolution."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.degrees import overflows
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source
from npformer.ops import causal_conv1d
from npformer.ops.causal_conv1d import causal_conv1d_backward, causal_conv1d_forward

card = OpCard.of(causal_conv1d)
card.owner = "CausalConv1d"
card.words = {"dx": "the positions ahead", "dweight": "the sum of dy x over batch and time"}
card.edge("fewer positions than the width", {"x": [[[1.0], [2.0]]],
                                             "weight": [[1.0, 2.0, 4.0, 8.0]]})  # fmt: skip
card.edge("width 1", {"x": [[[1.0, 2.0]]], "weight": [[3.0], [-1.0]], "bias": [0.5, 0.0]})
card.edge("no positions", {"x": np.zeros((2, 0, 1)), "weight": [[1.0, 2.0]]})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """With and without a bias; wider than the sentence is long, too."""
    bias = source.choice((True, False))
    spec = "btd, dk, d -> btd" if bias else "btd, dk -> btd"
    names = ("x", "weight", "bias")[: 3 if bias else 2]
    return draw_case(source, spec, names, dtype, least={"k": 1, "d": 1})


# Without the seam: while a module's scale is measured, every call of the op asks for this one.
_forward, _backward = map(inspect.unwrap, card.pair)


@card.scale
def scale(
    x: Array, weight: Array, bias: Array | None = None, *, dy: Array, fp: FloatInfo
) -> Scales:
    """The op on absolute values."""
    width, r = weight.shape[1], dy.shape[0] * dy.shape[1]
    y, cache = _forward(np.abs(x), np.abs(weight))
    dx, dweight, _ = _backward(np.abs(dy), cache)
    y = walk(width) * y + fp.tiny * (1 + width)
    scales = {
        "y": y if bias is None else y + np.abs(bias),
        "dx": walk(width) * dx + fp.tiny * (1 + width),
        "dweight": walk(r) * dweight + fp.tiny * (1 + r),
    }
    if bias is not None:
        scales["dbias"] = walk(r) * np.abs(dy).sum((0, 1)) + fp.tiny
    return scales


@card.invariant("<dx, x> = <dweight, weight> in each channel", broken_by="weight-not-turned")
def _degree(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """y - bias has degree 1 in each."""
    if overflows(case):
        return
    x, weight = case.inputs["x"], case.inputs["weight"]
    yield Finding(
        (result["dx"].astype(np.float64) * x).sum((0, 1)),
        (result["dweight"].astype(np.float64) * weight).sum(1),
        (scales["dx"] * np.abs(x)).sum((0, 1))
        + (scales["dweight"] * np.abs(weight)).sum(1)
        + np.finfo(np.float64).tiny * x.size,
    )


@card.invariant("two parts, the second with what it looks back on, are the whole",
                broken_by="looks-ahead")  # fmt: skip
def _parts(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """No y depends on what comes later, nor on what is K or more positions back."""
    x, weight = case.inputs["x"], case.inputs["weight"]
    bias = case.inputs.get("bias")
    half = x.shape[1] // 2
    back = min(half, weight.shape[1] - 1)
    first, _ = _forward(x[:, :half], weight, bias)
    second, _ = _forward(x[:, half - back :], weight, bias)
    yield Finding(result["y"], np.concatenate([first, second[:, back:]], 1), scales["y"])


@card.invariant("the last position's gradient comes from itself alone", broken_by="wrapped-round")
def _last(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if case.dy.shape[1]:
        last = case.dy[:, -1] * case.inputs["weight"][:, -1]
        yield Finding(result["dx"][:, -1], last, scales["dx"][:, -1])


def _wrong(name: str, wrong: str, **seen: Any) -> Any:
    """A backward of which some gradients are replaced: formula(dy, cache, right)."""

    def decorate(formula: Any) -> Any:
        names = ("dx", "dweight", "dbias")

        def backward(dy, cache):
            right = dict(zip(names, causal_conv1d_backward(dy, cache), strict=True))
            return tuple({**right, **formula(dy, cache, right)}.values())

        return card.wrong_backward(name, wrong, **seen)(backward)

    return decorate


@_wrong("weight-not-turned", "dx meets the weights in the order of the forward")
def _(dy, cache, right):
    return {"dx": causal_conv1d_backward(dy, cache._replace(weight=cache.weight[:, ::-1]))[0]}


@_wrong("looks-back-again", "dx looks back as y does: the forward with dy in the place of x")
def _(dy, cache, right):
    return {"dx": causal_conv1d_forward(dy, cache.weight)[0]}


@_wrong("wrapped-round", "what runs out at the end comes in at the start")
def _(dy, cache, right):
    width, dx = cache.weight.shape[1], np.zeros_like(dy)
    for k in range(width):
        dx += cache.weight[:, k] * np.roll(dy, k - width + 1, axis=1)
    return {"dx": dx}


@_wrong("own-position-only", "dx has the last weight's term alone")
def _(dy, cache, right):
    return {"dx": dy * cache.weight[:, -1]}


@_wrong("weights-in-reverse", "dweight is in the reverse order, newest first")
def _(dy, cache, right):
    return {"dweight": right["dweight"][:, ::-1]}


@_wrong("weight-shared-by-channels", "dweight is summed over the channels, as if they shared one")
def _(dy, cache, right):
    total = right["dweight"].sum(0, keepdims=True)
    return {"dweight": np.broadcast_to(total, right["dweight"].shape)}


@_wrong("weight-of-the-last-sentence", "dweight is written, not added, sentence by sentence")
def _(dy, cache, right):
    if not len(dy):
        return {}
    last = cache._replace(x=cache.x[-1:])
    return {"dweight": causal_conv1d_backward(dy[-1:], last)[1]}


@_wrong("bias-averaged", "dbias is averaged over the positions")
def _(dy, cache, right):
    if right["dbias"] is None:
        return {}
    return {"dbias": right["dbias"] / max(dy.shape[1], 1)}


@card.wrong_forward("looks-ahead", "the window is centred, so that y depends on later positions")
def _ahead(x, weight, bias=None):
    width = weight.shape[1]
    y, cache = causal_conv1d_forward(x, weight)
    padded = np.pad(x, ((0, 0), (0, width // 2), (0, 0)))
    y = causal_conv1d_forward(padded, weight, bias)[0][:, width // 2 :]
    return y, cache._replace(has_bias=bias is not None)


@card.wrong_forward("newest-first", "the first weight meets the position itself")
def _newest_first(x, weight, bias=None):
    _, cache = causal_conv1d_forward(x, weight, bias)
    return causal_conv1d_forward(x, weight[:, ::-1], bias)[0], cache
