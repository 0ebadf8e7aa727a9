"""Exercise 08: RMS norm, forward and backward.

    x (B, T, D)    weight (D,)    y (B, T, D)

Write both functions, then:

    npformer exercise check rms_norm
    npformer exercise hint rms_norm
"""

import numpy as np


def rms_norm_forward(x, weight, eps=1e-5):
    """x (B, T, D), weight (D,) -> y (B, T, D), cache."""
    raise NotImplementedError("return y, cache")


def rms_norm_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dweight (D,)."""
    raise NotImplementedError("return dx, dweight")
