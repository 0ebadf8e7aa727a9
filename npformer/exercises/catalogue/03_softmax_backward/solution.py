"""Exercise 03: the backward of softmax."""

import numpy as np


def softmax_forward(x):
    """x (..., K) -> y (..., K), cache."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    y = e / e.sum(axis=-1, keepdims=True)
    cache = (y,)
    return y, cache


def softmax_backward(dy, cache):
    """dy (..., K) -> dx (..., K)."""
    (y,) = cache
    # dy_i/dx_j = y_i (delta_ij - y_j). Contracted with dy over i, the delta leaves y_j dy_j. The
    # rest is y_j times a sum that is the same for every j: the mean of dy under y.
    mean = (dy * y).sum(axis=-1, keepdims=True)  # (..., 1)
    return y * (dy - mean)
