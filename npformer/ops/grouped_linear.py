r"""Grouped linear map: each expert's rows by its own matrix.

Shapes      x : (P, I)    weight : (E, O, I)    bias : (E, O)    y : (P, O)
            group_sizes : (E,) integers that add up to P

Forward     The rows are sorted by expert: the first group_sizes_0 are of expert 0, the next
            group_sizes_1 of expert 1, and so on. With x^e for those of expert e,

                y^e = x^e weight_e^T + bias_e

            It is one linear map by a matrix of E diagonal blocks, without the zeros.

Backward    Each group is a linear map of its own (linear.py):

                dx^e      = dy^e weight_e
                dweight_e = dy^eT x^e
                dbias_e   = the sum of the rows of dy^e

Reading     The work is that of one matrix on P rows, however many experts there are. An expert
            without rows has a gradient of 0, not none at all: an optimizer with momentum moves it
            on all the same. Each product is over a slice, which is a view, and the loop is over the
            experts, never over the tokens.

Chapter     walkthroughs/25_choosing_experts.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array, summed_rows
from npformer.ops.checks import check_ids
from npformer.seam import op


class GroupedLinearCache(NamedTuple):
    x: Array | None  # (P, I), None where the weight is frozen
    weight: Array  # (E, O, I)
    group_sizes: Array  # (E,)
    has_bias: bool


@op
def grouped_linear_forward(
    x: Array, weight: Array, group_sizes: Array, bias: Array | None = None
) -> tuple[Array, GroupedLinearCache]:
    """x (P, I), weight (E, O, I), group_sizes (E,), bias (E, O) or None -> y (P, O), cache.

    Raises ``ShapeError`` for group_sizes (E,) that are not integers or do not add up to the rows.
    """
    check_ids(group_sizes, len(x) + 1, "a group's size")
    if group_sizes.shape != weight.shape[:1] or group_sizes.sum() != len(x):
        raise ShapeError(
            f"group_sizes {group_sizes.tolist()} of {len(weight)} groups; they must add up to "
            f"{len(x)} rows"
        )
    y = np.empty((len(x), weight.shape[1]), x.dtype)
    for e, rows in rows_of_experts(group_sizes):
        np.matmul(x[rows], weight[e].T, out=y[rows])
        if bias is not None:
            y[rows] += bias[e]
    return y, GroupedLinearCache(x, weight, group_sizes, bias is not None)


@op
def grouped_linear_backward(
    dy: Array, cache: GroupedLinearCache
) -> tuple[Array, Array | None, Array | None]:
    """dy (P, O) -> dx (P, I), dweight (E, O, I) or None, dbias (E, O) or None."""
    x, weight, group_sizes, has_bias = cache
    dx = np.empty((len(dy), weight.shape[2]), weight.dtype)
    dweight = None if x is None else np.zeros_like(weight, order="C")
    dbias = np.zeros(weight.shape[:2], weight.dtype) if has_bias else None
    for e, rows in rows_of_experts(group_sizes):
        np.matmul(dy[rows], weight[e], out=dx[rows])
        if x is not None and dweight is not None:
            np.matmul(dy[rows].T, x[rows], out=dweight[e])
        if dbias is not None:
            dbias[e] = summed_rows(dy[rows])
    return dx, dweight, dbias


def rows_of_experts(group_sizes: Array) -> Iterator[tuple[int, slice]]:
    """The experts that have rows, each with its slice of them."""
    ends = np.cumsum(group_sizes).tolist()
    for e, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if end > start:
            yield e, slice(start, end)
