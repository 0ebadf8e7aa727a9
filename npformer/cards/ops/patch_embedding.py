"""The card of patch embedding."""

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
from npformer.ops import patch_embedding
from npformer.ops.patch_embedding import (
    cut,
    patch_embedding_backward,
    patch_embedding_forward,
    put_together,
)

card = OpCard.of(patch_embedding)
card.owner = "PatchEmbedding"
card.words = {"dx": "dpatches, put together", "dweight": "dy^T patches"}
card.edge("one patch", {"x": [[[[1.0, 2.0], [3.0, 4.0]]]], "weight": [[[[1.0, 0.0], [0.0, -1.0]]]]})
card.edge("patches of one pixel", {"x": [[[[1.0, 2.0]]]], "weight": [[[[3.0]]]], "bias": [1.0]})
card.edge("no images", {"x": np.zeros((0, 1, 2, 2)), "weight": np.ones((1, 1, 2, 2))})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """More rows of patches than columns, and fewer; with and without a bias."""
    z = draw_sizes(source, "bcdhw", {"c": 1, "d": 1, "h": 1, "w": 1})
    side, high, wide = source.choice((2, 1, 3)), z["h"], z["w"]
    shapes = {
        "x": (z["b"], z["c"], high * side, wide * side),
        "weight": (z["d"], z["c"], side, side),
        **({"bias": (z["d"],)} if source.choice((True, False)) else {}),
        "dy": (z["b"], high * wide, z["d"]),
    }
    exponents = draw_exponents(source, len(shapes), [(-310, 30)] * len(shapes))
    arrays = {
        name: draw_array(source, shape, np.dtype(dtype), exponent, upstream=name == "dy")
        for (name, shape), exponent in zip(shapes.items(), exponents, strict=True)
    }
    dy = arrays.pop("dy")
    return Case(arrays, {}, dy)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    shapes = {"x": (b, 2, 4, 6), "weight": (3, 2, 2, 2), "bias": (3,)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}, {}


# Without the seam: while a module's scale is measured, every call of the op asks for this one.
_forward, _backward = map(inspect.unwrap, card.pair)


@card.scale
def scale(
    x: Array, weight: Array, bias: Array | None = None, *, dy: Array, fp: FloatInfo
) -> Scales:
    """The op on absolute values."""
    d, terms, r = len(weight), weight[0].size, dy.shape[0] * dy.shape[1]
    y, cache = _forward(np.abs(x), np.abs(weight))
    dx, dweight, _ = _backward(np.abs(dy), cache)
    y = walk(terms) * (y + fp.tiny * (1 + terms))
    scales = {
        "y": y if bias is None else y + np.abs(bias),
        "dx": walk(d) * dx + fp.tiny * (1 + d),
        "dweight": walk(r) * dweight + fp.tiny * (1 + r),
    }
    if bias is not None:
        scales["dbias"] = walk(r) * np.abs(dy).sum((0, 1)) + fp.tiny
    return scales


card.invariant("<dx, x> = <dweight, weight>", broken_by="weight-averaged")(
    same_degree("x", "weight")
)


@card.invariant("dx of a square comes from its own patch alone", broken_by="columns-first")
def _own_patch(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    side = case.inputs["weight"].shape[-1]
    columns = case.inputs["x"].shape[3] // side
    for at in range(min(case.dy.shape[1], 6)):
        top, left = (at // columns) * side, (at % columns) * side
        square = np.s_[:, :, top : top + side, left : left + side]
        expected = np.einsum("bd,dcyx->bcyx", case.dy[:, at], case.inputs["weight"])
        yield Finding(result["dx"][square], expected, scales["dx"][square])


def _wrong(name: str, wrong: str, **seen: Any) -> Any:
    """A backward of which some gradients are replaced: formula(dy, cache, right)."""

    def decorate(formula: Any) -> Any:
        names = ("dx", "dweight", "dbias")

        def backward(dy, cache):
            right = dict(zip(names, patch_embedding_backward(dy, cache), strict=True))
            return tuple({**right, **formula(dy, cache, right)}.values())

        return card.wrong_backward(name, wrong, **seen)(backward)

    return decorate


def _squares(dy, cache):
    """dpatches (B L, C, P, P)."""
    return np.einsum("rd,dcyx->rcyx", dy.reshape(-1, len(cache.weight)), cache.weight)


@_wrong("columns-first", "the squares are put together by columns")
def _(dy, cache, right):
    b, c, height, width = cache.image
    side = cache.weight.shape[-1]
    grid = _squares(dy, cache).reshape(b, width // side, height // side, c, side, side)
    return {"dx": grid.transpose(0, 3, 2, 4, 1, 5).reshape(cache.image)}


@_wrong("square-turned", "rows and columns of every square change places in dx")
def _(dy, cache, right):
    return {"dx": put_together(_squares(dy, cache).transpose(0, 1, 3, 2), cache.image)}


@_wrong("not-put-together", "the squares of a row are laid end to end, by a reshape alone")
def _(dy, cache, right):
    return {"dx": _squares(dy, cache).reshape(cache.image)}


@_wrong("channels-last-in-dx", "dx takes the numbers of a square as if channels came last")
def _(dy, cache, right):
    c, side = cache.image[1], cache.weight.shape[-1]
    flat = _squares(dy, cache).reshape(-1, side, side, c)
    return {"dx": put_together(flat.transpose(0, 3, 1, 2), cache.image)}


@_wrong("weight-averaged", "dweight is averaged over the patches")
def _(dy, cache, right):
    return {"dweight": right["dweight"] / max(dy.shape[1], 1)}


@_wrong("weight-of-the-first-image", "dweight is the first image's")
def _(dy, cache, right):
    if not len(dy):
        return {}
    first = cache.patches[: dy.shape[1]]
    return {"dweight": (dy[0].T @ first).reshape(cache.weight.shape)}


@_wrong("bias-over-the-batch-only", "dbias is summed over images, and of one patch")
def _(dy, cache, right):
    return {} if right["dbias"] is None or not dy.size else {"dbias": dy.sum(0)[0]}


@card.wrong_forward("channels-last", "the numbers of a patch are laid out with channels last")
def _channels_last(x, weight, bias=None):
    _, cache = patch_embedding_forward(x, weight, bias)
    grid = cut(x, weight.shape[-1]).transpose(0, 1, 2, 4, 5, 3)
    y = grid.reshape(-1, weight[0].size) @ weight.reshape(len(weight), -1).T
    y = y if bias is None else y + bias
    return y.reshape(len(x), -1, len(weight)), cache


@card.wrong_forward("patches-by-columns", "the sequence runs down the columns")
def _by_columns(x, weight, bias=None):
    _, cache = patch_embedding_forward(x, weight, bias)
    turned, _ = patch_embedding_forward(x.swapaxes(2, 3), weight.swapaxes(2, 3), bias)
    return turned, cache


@card.wrong_forward("bias-forgotten", "the bias is left out of the forward")
def _no_bias(x, weight, bias=None):
    return patch_embedding_forward(x, weight)[0], patch_embedding_forward(x, weight, bias)[1]
