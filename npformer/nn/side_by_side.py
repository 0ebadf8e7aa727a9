"""Linear layers that read the same x, as one product where their weights lie in one array.

A product of one row takes as long as its weight is read; one over all rows of queries, keys and
values is faster than three, for BLAS is slow to begin, and makes small products on one thread. Each
weight stays its layer's own, and is a part of the array.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npformer.nn.linear import Linear
from npformer.nn.memory_order import by_columns
from npformer.nn.module import Array
from npformer.ops.linear import LinearCache, linear_forward
from npformer.seam import is_watched


def lay_side_by_side(*linears: Linear) -> Array | None:
    """The array (I, O1 + O2 + ...) of which their weights are parts from now on, by columns.

    None, and nothing is changed, where one of them is more than its weight, as a quantized one is.
    """
    if any(type(linear) is not Linear for linear in linears):
        return None
    weights = [linear.weight.data for linear in linears]
    joint = np.concatenate([by_columns(weight).T for weight in weights], axis=1)
    ends = np.cumsum([len(weight) for weight in weights])
    for linear, part in zip(linears, np.split(joint.T, ends[:-1]), strict=True):
        linear.weight.data = part
    return joint


def forward_side_by_side(
    x: Array, joint: Array | None, *linears: Linear
) -> Iterator[tuple[Array, LinearCache]]:
    """x (..., I) -> y (..., O) and cache of each, as their forward gives them, one after the other.

    Their forwards are called, each when its turn comes, where somebody watches, where there is no
    ``joint``, and where one of them has got another weight since it was laid, or an adapter.
    """
    if joint is None or is_watched() or not all(_is_part(joint, each) for each in linears):
        yield from (linear.forward(x) for linear in linears)
        return
    every, _ = linear_forward(x, joint.T)  # (..., O1 + O2 + ...)
    end = 0
    for linear in linears:
        weight, bias = linear.weight, linear.bias
        first, end = end, end + len(weight.data)
        y = every[..., first:end]
        if bias is not None:
            y += bias.data
        yield y, LinearCache(x if weight.trainable else None, weight.data, bias is not None)


def _is_part(joint: Array, linear: Linear) -> bool:
    return type(linear) is Linear and linear.weight.data.base is joint
