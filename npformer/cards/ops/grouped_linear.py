"""The card of the grouped linear map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.degrees import same_degree
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import Ordinary, only
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import grouped_linear
from npformer.ops.grouped_linear import (
    grouped_linear_backward,
    grouped_linear_forward,
    rows_of_experts,
)

card = OpCard.of(grouped_linear)
card.owner = "GroupedLinear"
card.words = {
    "y": "each expert's product",
    "dx": "each expert's dy weight",
    "dweight": "each expert's dy^T x",
    "dbias": "each expert's sum of dy",
}
card.edge(
    "no rows",
    {"x": np.zeros((0, 2)), "weight": np.ones((2, 3, 2)), "bias": np.ones((2, 3))},
    group_sizes=np.array([0, 0]),
)
card.edge(
    "an expert without rows",
    {"x": [[1.0, 2], [3, 4]], "weight": np.arange(12.0).reshape(3, 2, 2)},
    group_sizes=np.array([1, 0, 1]),
)
card.edge("one expert", {"x": [[1.0, 2]], "weight": [[[3.0, 4]]]}, group_sizes=np.array([1]))


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """With and without bias; experts with many rows, few and none."""
    biased = source.choice((True, False))
    names = ("x", "weight", "bias") if biased else ("x", "weight")
    spec = "pi, eoi, eo -> po" if biased else "pi, eoi -> po"

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        rng = draw_rng(source)
        share = rng.dirichlet(np.full(sizes["e"], 0.5))
        return {"group_sizes": rng.multinomial(sizes["p"], share)}

    return draw_case(source, spec, names, dtype, static=static, least={"e": 1})


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    group_sizes = np.array([b // 2, 0, b - b // 2])
    inputs = {
        "x": rng.standard_normal((b, 4)),
        "weight": rng.standard_normal((3, 5, 4)),
        "bias": rng.standard_normal((3, 5)),
    }
    return inputs, {"group_sizes": group_sizes}


@card.scale
def scale(
    x: Array,
    weight: Array,
    group_sizes: Array,
    bias: Array | None = None,
    *,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """A linear map's, group by group."""
    _, o, i = weight.shape
    y, dx = np.full(dy.shape, fp.tiny), np.full(x.shape, fp.tiny)
    dweight = np.zeros(weight.shape)
    for e, rows in rows_of_experts(group_sizes):
        x2, dy2, w = np.abs(x[rows]), np.abs(dy[rows]), np.abs(weight[e])
        y[rows] = walk(i) * (x2 @ w.T + fp.tiny * (1 + i))
        dx[rows] = walk(o) * (dy2 @ w + fp.tiny * (1 + o))
        dweight[e] = walk(len(x2)) * (dy2.T @ x2 + fp.tiny * len(x2))
    scales = {"y": y, "dx": dx, "dweight": dweight}
    if bias is None:
        return scales
    dbias = np.zeros(bias.shape)
    for e, rows in rows_of_experts(group_sizes):
        scales["y"][rows] += np.abs(bias[e])
        dbias[e] = walk(len(dy[rows])) * np.abs(dy[rows]).sum(0) + fp.tiny
    return {**scales, "dbias": dbias}


card.invariant("<dx, x> = <dweight, weight>", broken_by="averaged-over-the-group")(
    same_degree("x", "weight")
)


@card.invariant("an expert without rows has a gradient of 0", broken_by="empty-group-not-cleared")
def _still(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    empty = case.static["group_sizes"] == 0
    for name in ("dweight", "dbias"):
        if name in result:
            yield Finding(result[name][empty], 0.0, 0.0)


def _right(dy: Array, cache: Any) -> Any:
    return grouped_linear_backward(dy, cache)


def _all_busy(case: Case) -> bool:
    return bool((case.static["group_sizes"] > 0).all())


@card.wrong_backward(
    "empty-group-not-cleared",
    "the gradient of an expert without rows is what its memory held",
    seen="pytorch/pytorch#172439",
    smallest="x (1, 1), weight (2, 1, 1), group_sizes (2,)",
    missed_by=only("rows for every expert", _all_busy),
)
def _not_cleared(dy, cache):
    dx, dweight, dbias = _right(dy, cache)
    dweight[cache.group_sizes == 0] = cache.weight[cache.group_sizes == 0]
    return dx, dweight, dbias


@card.wrong_backward(
    "empty-groups-share-one",
    "every expert without rows gets the gradient of all rows together",
    seen="openxla/tokamax#887",
    smallest="x (1, 1), weight (2, 1, 1), group_sizes (2,)",
    missed_by=only("rows for every expert", _all_busy),
)
def _share_one(dy, cache):
    dx, dweight, dbias = _right(dy, cache)
    dweight[cache.group_sizes == 0] = dweight.sum(0)
    return dx, dweight, dbias


@card.wrong_backward(
    "weight-without-gradient",
    "x gets its gradient, and the matrices get none",
    seen="NVIDIA/TransformerEngine#3234",
    smallest="x (1, 1), weight (1, 1, 1), group_sizes (1,)",
    missed_by=Ordinary("a look at dx alone", results=("y", "dx")),
)
def _no_weight(dy, cache):
    dx, dweight, dbias = _right(dy, cache)
    return dx, np.zeros_like(dweight), dbias


@card.wrong_forward(
    "even-groups",
    "the rows are cut into groups of one size, whatever the sizes are",
)
def _even_groups(x, weight, group_sizes, bias=None):
    even = np.full(len(group_sizes), len(x) // len(group_sizes))
    even[: len(x) % len(group_sizes)] += 1
    return grouped_linear_forward(x, weight, even, bias)


@card.wrong_forward(
    "ends-for-sizes",
    "each group begins at the first row",
)
def _ends(x, weight, group_sizes, bias=None):
    y, cache = grouped_linear_forward(x, weight, group_sizes, bias)
    y = y.copy()
    for e, rows in rows_of_experts(group_sizes):
        count = rows.stop - rows.start
        y[rows] = x[:count] @ weight[e].T + (0 if bias is None else bias[e])
    return y, cache


@card.wrong_forward("first-bias", "every expert adds the first one's bias")
def _first_bias(x, weight, group_sizes, bias=None):
    first = None if bias is None else np.repeat(bias[:1], len(bias), axis=0)
    return grouped_linear_forward(x, weight, group_sizes, first)


@card.wrong_forward("next-matrix", "each group is multiplied by its neighbour's matrix")
def _next(x, weight, group_sizes, bias=None):
    y, _ = grouped_linear_forward(x, np.roll(weight, 1, axis=0), group_sizes, bias)
    return y, grouped_linear_forward(x, weight, group_sizes, bias)[1]


@card.wrong_backward("averaged-over-the-group", "dweight is divided by the rows of its expert")
def _averaged(dy, cache):
    dx, dweight, dbias = _right(dy, cache)
    return dx, dweight / np.maximum(cache.group_sizes, 1)[:, None, None], dbias


@card.wrong_backward("bias-over-all-rows", "dbias of each expert is the sum of all rows")
def _all_rows(dy, cache):
    dx, dweight, dbias = _right(dy, cache)
    return dx, dweight, None if dbias is None else np.repeat(dy.sum(0)[None], len(dbias), 0)


@card.wrong_backward("last-row-of-a-group", "dweight holds the last row's product alone")
def _last_row(dy, cache):
    dx, dweight, dbias = _right(dy, cache)
    for e, rows in rows_of_experts(cache.group_sizes):
        dweight[e] = np.outer(dy[rows][-1], cache.x[rows][-1])
    return dx, dweight, dbias


@card.wrong_backward("next-dx", "dx goes back through the neighbour's matrix")
def _next_dx(dy, cache):
    _, dweight, dbias = _right(dy, cache)
    turned = cache._replace(weight=np.roll(cache.weight, 1, axis=0))
    return grouped_linear_backward(dy, turned)[0], dweight, dbias
