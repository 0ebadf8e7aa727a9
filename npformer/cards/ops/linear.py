"""The card of the linear layer.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, draw_case
from npformer.cards.degrees import same_degree
from npformer.cards.op_card import Library, OpCard
from npformer.cards.ordinary import CONTIGUOUS, MATRIX, ONE_ROW
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.steps import close
from npformer.cards.strategies import Source
from npformer.ops import linear
from npformer.ops.array import rows
from npformer.ops.linear import linear_backward, linear_forward

card = OpCard.of(linear)
card.owner = "Linear"
card.words = {"dx": "dy weight", "dweight": "dy^T x", "dbias": "the sum of dy over the rows"}
card.library = Library(
    "linear",
    lambda input, weight, bias=None: {"x": input, "weight": weight, "bias": bias},
    lambda f, a: f(a["x"], a["weight"], a["bias"]),
)
card.edge("no rows", {"x": np.zeros((0, 4)), "weight": np.ones((3, 4)), "bias": np.ones(3)})
card.edge("no inputs", {"x": np.zeros((2, 0)), "weight": np.ones((3, 0)), "bias": [1.0, 2, 3]})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """With and without bias, from a single vector to rank 4."""
    spec, names = source.choice(
        (
            ("bi, oi, o -> bo", ("x", "weight", "bias")),
            ("bi, oi -> bo", ("x", "weight")),
            ("bti, oi, o -> bto", ("x", "weight", "bias")),
            ("i, oi, o -> o", ("x", "weight", "bias")),
            ("abti, oi -> abto", ("x", "weight")),
        )
    )
    return draw_case(source, spec, names, dtype)


@card.scale
def scale(
    x: Array, weight: Array, bias: Array | None = None, *, dy: Array, fp: FloatInfo
) -> Scales:
    """Dot products: |A| |B|. A sum: the sum of its absolute terms."""
    x2, dy2 = np.abs(rows(x)), np.abs(rows(dy))  # (R, I), (R, O)
    r, o, i = len(x2), *weight.shape
    y = walk(i) * (np.abs(x) @ np.abs(weight).T + fp.tiny * (1 + i))
    scales = {
        "y": y if bias is None else y + np.abs(bias),
        "dx": walk(o) * (np.abs(dy) @ np.abs(weight) + fp.tiny * o),
        "dweight": walk(r) * (dy2.T @ x2 + fp.tiny * r),
    }
    return scales if bias is None else {**scales, "dbias": walk(r) * dy2.sum(0) + fp.tiny}


card.invariant("<dx, x> = <dweight, weight>", broken_by="weight-averaged")(
    same_degree("x", "weight")
)


@card.steps
def _step(visit: Any, result: str) -> str:
    if result != "y":
        return ""
    a = visit.arguments
    return "the bias" if close(a["x"] @ a["weight"].T, visit.output) else "x weight^T"


@card.wrong_backward(
    "swapped-factors", "x and dy change places in dweight: right when it is symmetric"
)
def _swapped(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    return dx, (rows(cache.x).T @ rows(dy)).reshape(cache.weight.shape), dbias


@card.wrong_backward("weight-not-transposed", "dx uses the weight in the forward's orientation")
def _orientation(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    turned = cache.weight.reshape(cache.weight.shape[::-1]).T
    return (rows(dy) @ turned).reshape(dx.shape), dweight, dbias


@card.wrong_backward(
    "bias-averaged",
    "the bias gradient is averaged over the batch",
    seen="kvfrans/notes#5",
    smallest="x (2, 1), weight (1, 1), bias (1,)",
    missed_by=ONE_ROW,
)
def _bias_mean(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    return dx, dweight, None if dbias is None else dbias / max(len(rows(dy)), 1)


@card.wrong_backward(
    "bias-first-axis-only",
    "the bias gradient is summed over the first axis only",
    seen="ooples/AiDotNet.Tensors#234",
    smallest="x (1, 2, 1), weight (1, 1), bias (1,)",
    missed_by=MATRIX,
)
def _bias_first_axis(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    if dbias is not None and dy.ndim > 1 and dy.size:
        dbias = dy.sum(0)[(0,) * (dy.ndim - 2)]
    return dx, dweight, dbias


@card.wrong_backward("weight-averaged", "dweight is averaged over the rows")
def _weight_mean(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    assert dweight is not None
    return dx, dweight / max(len(rows(dy)), 1), dbias


@card.wrong_backward("weight-last-row", "dweight holds the last row's product alone")
def _weight_last(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    if len(rows(dy)):
        dweight = np.outer(rows(dy)[-1], rows(cache.x)[-1])
    return dx, dweight, dbias


@card.wrong_backward("single-precision", "dx is computed silently in float32")
def _float32(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    narrow = rows(dy).astype(np.float32) @ cache.weight.astype(np.float32)
    return narrow.reshape(dx.shape).astype(dx.dtype), dweight, dbias


@card.wrong_backward(
    "double-out",
    "the gradient comes back in float64 whatever went in",
    beyond_forward=True,
)
def _float64(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    return dx * np.float64(1.0), dweight, dbias


@card.wrong_forward("bias-dropped", "the bias is left out of the forward")
def _no_bias(x, weight, bias=None):
    y, cache = linear_forward(x, weight)
    return y, cache._replace(has_bias=bias is not None)


@card.wrong_backward(
    "input-overwritten",
    "the upstream gradient is scaled in place",
    beyond_forward=True,
)
def _in_place(dy, cache):
    gradients = linear_backward(dy, cache)
    if dy.flags.writeable:
        dy *= 2
    return gradients


@card.wrong_backward(
    "bias-of-one-row",
    "the bias gradient is the first row of dy, not the sum of the rows",
    seen="mlpack/mlpack#3679",
    smallest="x (2, 1), weight (1, 1), bias (1,)",
    missed_by=ONE_ROW,
)
def _bias_row(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    return dx, dweight, dbias if dbias is None or not len(rows(dy)) else rows(dy)[0]


@card.wrong_backward(
    "strided-input-detached",
    "an input that is not contiguous is copied outside the graph, and gets no gradient",
    beyond_forward=True,
    seen="verl-project/verl#7235",
    smallest="x (2, 1), weight (1, 1)",
    missed_by=CONTIGUOUS,
)
def _detached(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    return dx if cache.x.flags.c_contiguous else np.zeros_like(dx), dweight, dbias
