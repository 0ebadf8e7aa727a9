"""Exercise 46: a short causal convolution, forward and backward.

    x (B, T, D)    weight (D, K)    y (B, T, D)

Write both functions, then:

    npformer exercise check causal_conv
    npformer exercise hint causal_conv
"""

import numpy as np


def causal_conv_forward(x, weight):
    """x (B, T, D), weight (D, K) -> y (B, T, D), cache."""
    raise NotImplementedError("return y, cache; y may begin as np.zeros(x.shape)")


def causal_conv_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dweight (D, K)."""
    raise NotImplementedError("return dx, dweight")
