"""Exercise 02: sums over the axes that were broadcast.

    x (B, T, D)    gain (T, 1)    bias (D,)    y (B, T, D)

The forward is given. Write affine_backward, then:

    npformer exercise check bias_broadcast
    npformer exercise hint bias_broadcast
"""

import numpy as np


def affine_forward(x, gain, bias):
    """x (B, T, D), gain (T, 1), bias (D,) -> y (B, T, D), cache."""
    y = x * gain + bias
    cache = (x, gain)
    return y, cache


def affine_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dgain (T, 1), dbias (D,)."""
    x, gain = cache
    raise NotImplementedError("return dx, dgain, dbias")
