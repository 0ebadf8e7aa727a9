r"""Log-softmax: the logarithm of the softmax, without ever forming a zero to take it of.

Shapes      x, y, dy, dx : (..., K), with K on any axis

Forward     y_i = (x_i - m) - log sum_k exp(x_k - m)   m = max_k x_k

            The sum lies between 1 and K, so its logarithm is safe whatever x is.

Backward    The slope of log sum exp is the softmax p = exp(y):

                dy_i/dx_j = delta_ij - p_j

            Contract with dy over i:

                dx_j = dy_j - p_j sum_i dy_i
                dx   = dy - exp(y) * sum(dy)

Reading     Whatever log-probability dy asks for in all, the distribution takes back in
            proportion to what each class has already; dx sums to zero along the axis.
            A logit of -inf gives y = -inf and an ordinary gradient. A row that holds +inf or
            NaN, or nothing but -inf, gives NaN, as in PyTorch.

Chapter     walkthroughs/02_softmax_cross_entropy.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.seam import op


class LogSoftmaxCache(NamedTuple):
    y: Array  # (..., K)
    axis: int


@op
def log_softmax_forward(x: Array, *, axis: int = -1) -> tuple[Array, LogSoftmaxCache]:
    """x (..., K) -> y (..., K), cache; K is the length of ``axis``."""
    x = np.moveaxis(x, axis, -1)
    y = np.subtract(x, x.max(axis=-1, keepdims=True, initial=-np.inf), order="C")
    y -= np.log(np.exp(y).sum(axis=-1, keepdims=True))
    y = np.moveaxis(y, -1, axis)
    return y, LogSoftmaxCache(y, axis)


@op
def log_softmax_backward(dy: Array, cache: LogSoftmaxCache) -> Array:
    """dy (..., K) -> dx (..., K)."""
    y, axis = np.moveaxis(cache.y, cache.axis, -1), cache.axis
    dy = np.moveaxis(dy, axis, -1)
    dx = np.exp(y)
    dx *= np.ascontiguousarray(dy).sum(axis=-1, keepdims=True)
    np.subtract(dy, dx, out=dx)
    return np.moveaxis(dx, -1, axis)
