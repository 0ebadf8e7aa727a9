"""Exercise 19: the backward of the feed-forward network.

    x, y (B, T, D)    weight1 (F, D)    bias1 (F,)    weight2 (D, F)    bias2 (D,)
    h (B, T, F), after the ReLU

The forward is given. Write feed_forward_backward, then:

    npformer exercise check feed_forward_backward
    npformer exercise hint feed_forward_backward
"""

import numpy as np


def feed_forward_forward(x, weight1, bias1, weight2, bias2):
    """x (B, T, D), weight1 (F, D), bias1 (F,), weight2 (D, F), bias2 (D,) -> y (B, T, D), cache."""
    h = np.maximum(x @ weight1.T + bias1, 0)  # (B, T, F)
    y = h @ weight2.T + bias2
    cache = (x, weight1, weight2, h)
    return y, cache


def feed_forward_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dweight1 (F, D), dbias1 (F,), dweight2 (D, F), dbias2 (D,)."""
    x, weight1, weight2, h = cache
    raise NotImplementedError("return dx, dweight1, dbias1, dweight2, dbias2")
