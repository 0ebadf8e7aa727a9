r"""Softmax: a row of numbers becomes a probability distribution (Bridle, 1990).

Shapes      x, y, dy, dx : (..., K), with K on any axis

Forward     y_i = exp(x_i - m) / sum_k exp(x_k - m)    m = max_k x_k

            m cancels. It is there so that no exponential exceeds 1, and the largest is 1.

Backward    With Z = sum_k exp(x_k - m), the quotient rule gives

                dy_i/dx_j = delta_ij exp(x_i - m) / Z - exp(x_i - m) exp(x_j - m) / Z^2
                          = y_i (delta_ij - y_j)

            (m is a constant here: the formula does not depend on it, so nor does its slope.)
            Contract with dy over i; the K x K Jacobian is never built:

                dx_j = y_j dy_j - y_j sum_i dy_i y_i
                dx   = y * (dy - sum(dy * y))

Reading     sum(dy * y) is the mean of dy under the distribution y. Only what a class earns
            above that mean moves its logit, and a class of probability zero is not moved.
            So dx sums to zero along the axis, and dy = (1, ..., 1) gives dx = 0.

            A row that holds +inf or NaN, or nothing but -inf, has no limit; it gives NaN, as in
            PyTorch. (Attention needs the last of these and defines it: see attention.py.)

Chapter     walkthroughs/02_softmax_cross_entropy.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.seam import op


class SoftmaxCache(NamedTuple):
    y: Array  # (..., K)
    axis: int


@op
def softmax_forward(x: Array, *, axis: int = -1) -> tuple[Array, SoftmaxCache]:
    """x (..., K) -> y (..., K), cache; K is the length of ``axis``."""
    x = np.moveaxis(x, axis, -1)  # (..., K), and contiguous from here: NumPy then sums pairwise
    y = np.subtract(x, x.max(axis=-1, keepdims=True, initial=-np.inf), order="C")
    np.exp(y, out=y)
    y /= y.sum(axis=-1, keepdims=True)
    y = np.moveaxis(y, -1, axis)
    return y, SoftmaxCache(y, axis)


@op
def softmax_backward(dy: Array, cache: SoftmaxCache) -> Array:
    """dy (..., K) -> dx (..., K)."""
    y, axis = np.moveaxis(cache.y, cache.axis, -1), cache.axis
    dy = np.moveaxis(dy, axis, -1)
    dx = np.multiply(dy, y, order="C")
    np.subtract(dy, dx.sum(axis=-1, keepdims=True), out=dx)
    dx *= y
    return np.moveaxis(dx, -1, axis)
