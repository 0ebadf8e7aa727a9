"""Exercise 04: the backward of log-softmax."""

import numpy as np


def log_softmax_forward(x):
    """x (..., K) -> y (..., K), cache."""
    z = x - x.max(axis=-1, keepdims=True)
    y = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    cache = (y,)
    return y, cache


def log_softmax_backward(dy, cache):
    """dy (..., K) -> dx (..., K)."""
    (y,) = cache
    # The slope of log-sum-exp is the softmax, and y is its logarithm: no division, no second sum.
    p = np.exp(y)  # (..., K)
    # dy_i/dx_j = delta_ij - p_j. Contracted with dy over i, the delta leaves dy_j. p_j does not
    # depend on i and comes out of the sum, which is then that of dy itself. It is 1 only for a dy
    # that happens to sum to 1, so it cannot be left out.
    total = dy.sum(axis=-1, keepdims=True)  # (..., 1)
    return dy - p * total
