"""The card of the layer scalar."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, draw_case
from npformer.cards.degrees import same_degree
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import INITIAL
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source, draw_array, draw_exponents
from npformer.ops import layer_scalar
from npformer.ops.layer_scalar import (
    LayerScalarCache,
    layer_scalar_backward,
    layer_scalar_forward,
)

card = OpCard.of(layer_scalar)
card.owner = "LayerScalar"
card.words = {"y": "the number times x", "dx": "the number times dy", "dweight": "the sum of dy x"}
card.edge("a number of 0", {"x": [[1.0, -2]], "weight": [0.0]})
card.edge("no rows", {"x": np.zeros((0, 3)), "weight": [2.0]})
card.edge("no width", {"x": np.zeros((2, 0)), "weight": [2.0]})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """x at rank 1 to 4, and one number."""
    letters = source.choice(("btd", "bd", "d", "abtd"))
    case = draw_case(source, f"{letters} -> {letters}", ("x",), dtype)
    (exponent,) = draw_exponents(source, 1)
    weight = draw_array(source, (1,), np.dtype(dtype), exponent)
    return case.with_inputs({"weight": weight})


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return {"x": rng.standard_normal((b, 3, 4)), "weight": rng.standard_normal(1)}, {}


@card.scale
def scale(x: Array, weight: Array, *, dy: Array, fp: FloatInfo) -> Scales:
    """One product each, and a sum of absolute products."""
    products = np.abs(x) * np.abs(dy)
    rows = math.prod(x.shape[:-1])
    return {
        "y": np.abs(weight) * np.abs(x) + fp.tiny,
        "dx": np.abs(weight) * np.abs(dy) + fp.tiny,
        "dweight": walk(x.shape[-1])
        * walk(rows)
        * (products.sum() + fp.tiny * (1 + x.size))
        * np.ones(1),
    }


card.invariant("<dx, x> = dweight weight", broken_by="mean-over-tokens")(same_degree("x", "weight"))


def _backward(name, wrong, of, **more):
    """A wrong backward, of(dy, cache, dx, dweight)."""

    def backward(dy, cache):
        return of(dy, cache, *layer_scalar_backward(dy, cache))

    card.wrong_backward(name, wrong, **more)(backward)


_backward("mean-over-tokens", "dweight is the mean over the tokens",
          lambda dy, c, dx, dw: (dx, dw / max(math.prod(dy.shape[:-1]), 1)))  # fmt: skip
_backward("mean-over-all", "dweight is the mean over every number",
          lambda dy, c, dx, dw: (dx, dw / max(dy.size, 1)))  # fmt: skip
_backward("sum-of-dy", "dweight is the sum of dy: x is left out",
          lambda dy, c, dx, dw: (dx, dy.sum()[None]))  # fmt: skip
_backward("through-the-output", "dweight is the sum of dy y: the number is in it once too often",
          lambda dy, c, dx, dw: (dx, dw * c.weight))  # fmt: skip
_backward("unscaled", "dx is dy, as on a skip path without a factor",
          lambda dy, c, dx, dw: (dy + 0, dw))  # fmt: skip
_backward("divided", "dx is dy divided by the number, as if the factor were taken back",
          lambda dy, c, dx, dw: (dy / c.weight if c.weight else dx, dw))  # fmt: skip
_backward("constant", "dweight is 0: the number is taken for a constant",
          lambda dy, c, dx, dw: (dx, 0 * dw))  # fmt: skip


@card.wrong_backward("last-token-alone", "dweight holds the last row's share alone")
def _last(dy, cache):
    dx, dweight = layer_scalar_backward(dy, cache)
    if not dy.size:
        return dx, dweight
    last = (a.reshape(-1, a.shape[-1])[-1] for a in (cache.x, dy))
    return dx, np.vecdot(*last)[None]


@card.wrong_backward("single-precision", "both are computed in float32", beyond_forward=True)
def _float32(dy, cache):
    narrow = LayerScalarCache(*(np.asarray(a, np.float32) for a in cache))
    return tuple(np.asarray(g, dy.dtype) for g in layer_scalar_backward(dy.astype("f"), narrow))


@card.wrong_forward(
    "dropped",
    "the number is read and not applied",
    seen="cloudrift-ai/emmy#371",
    smallest="x (1,), weight (1,)",
    missed_by=INITIAL,
)
def _dropped(x, weight):
    return x + 0, layer_scalar_forward(x, weight)[1]


@card.wrong_forward("one-added", "y is (1 + weight) x, as in a norm whose weight begins at 0")
def _one_added(x, weight):
    return x * (1 + weight), layer_scalar_forward(x, weight)[1]


@card.wrong_forward("root", "y is multiplied by the number's root, once for each branch")
def _root(x, weight):
    return x * np.sqrt(np.abs(weight)), layer_scalar_forward(x, weight)[1]
