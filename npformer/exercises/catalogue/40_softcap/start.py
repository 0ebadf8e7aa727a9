"""Exercise 40: a soft cap, forward and backward.

    x (B, T, D)    y (B, T, D)

Write both functions, then:

    npformer exercise check softcap
    npformer exercise hint softcap
"""

import numpy as np


def softcap_forward(x, cap):
    """x (B, T, D) -> y (B, T, D), cache."""
    raise NotImplementedError("return y, cache; np.tanh is there")


def softcap_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D)."""
    raise NotImplementedError("return dx")
