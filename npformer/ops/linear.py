r"""Linear map of the last axis.

Shapes      x : (..., I)    weight : (O, I)    bias : (O,)    y : (..., O)

Forward     y = x weight^T + bias

            With the leading axes made one axis of R rows, and one letter an axis,

                y_ro = sum_i x_ri weight_oi + bias_o

Backward    By the chain rule, dL/dz = sum_ro dy_ro (dy_ro/dz) for any argument z, and
            y_ro holds x_ri with the factor weight_oi, and the reverse. So

                dx_ri      = sum_o dy_ro weight_oi
                dweight_oi = sum_r dy_ro x_ri
                dbias_o    = sum_r dy_ro

            which, as products of matrices, are

                dx      = dy weight
                dweight = dy^T x
                dbias   = ones dy               ones : (R,)

Reading     The backward of one product is two products. Each takes the letters of the forward,
            (ri, oi -> ro), and swaps the output with the argument whose gradient is sought.
            dweight is a sum over rows of outer products: every position of every sentence adds
            to it, and none divides it. The bias gradient is added in blocks of rows, because
            ``sum(axis=0)`` adds all of them one after another, which is less exact.

            A row whose dy is 0, such as a token that every query is kept from seeing, adds
            nothing to dweight, even if its x is NaN or inf; in PyTorch, 0 times that is NaN.

            x is kept for dweight alone: a layer whose weight is frozen keeps nothing but weight.

Chapter     walkthroughs/01_linear.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, finite, rows, summed_rows
from npformer.seam import op

ALONE = 3
"""Rows up to which each is multiplied by itself with a weight that is not small, as one row is.

The weight's bytes are then what takes time. A matrix times a vector reads them at the rate of the
memory, on all of BLAS's threads; a product with two or three rows at once takes twice as long.
"""
FEW = 8
"""Rows up to which a weight that lies row by row stands first, which takes them less time."""
SMALL = 2**18
"""Bytes of a weight that stays in the cache beside the core, where the order does not matter."""


class LinearCache(NamedTuple):
    x: Array | None  # (..., I); None where the weight is a constant, whose gradient nobody needs
    weight: Array  # (O, I)
    has_bias: bool


@op
def linear_forward(x: Array, weight: Array, bias: Array | None = None) -> tuple[Array, LinearCache]:
    """x (..., I), weight (O, I), bias (O,) or None -> y (..., O), cache."""
    if x.size == x.shape[-1]:  # one row, as in decoding, whose product takes no longer than this
        y = x @ weight.T
    else:
        y = _product(rows(x), weight).reshape(*x.shape[:-1], len(weight))
    if bias is not None:
        y += bias
    return y, LinearCache(x, weight, bias is not None)


@op
def linear_backward(dy: Array, cache: LinearCache) -> tuple[Array, Array | None, Array | None]:
    """dy (..., O) -> dx (..., I), dweight (O, I) or None, dbias (O,) or None."""
    x, weight, has_bias = cache
    leading = dy.shape[:-1]
    dy = rows(dy)  # (R, O)
    dx = (dy @ weight).reshape(*leading, weight.shape[1])
    dweight = None
    if x is not None:
        dweight = dy.T @ rows(x)
        if not finite(dweight[:1]):
            reached = dy.any(axis=1)  # (R,)
            dweight = dy[reached].T @ rows(x)[reached]
    dbias = summed_rows(dy) if has_bias else None
    return dx, dweight, dbias


def _product(x: Array, weight: Array) -> Array:
    """x (R, I), weight (O, I) -> x weight^T (R, O)."""
    if not 1 < len(x) <= FEW or weight.nbytes <= SMALL:
        return x @ weight.T
    if len(x) <= ALONE:
        return np.stack([weight @ row for row in x])
    if weight.strides[0] < weight.strides[1]:
        return x @ weight.T
    return np.ascontiguousarray((weight @ x.T).T)
