"""Exercise 09: the backward of ReLU and of GELU.

    x, y, dy, dx: any shape, all the same

The forwards are given. Write relu_backward and gelu_backward, then:

    npformer exercise check relu_gelu_backward
    npformer exercise hint relu_gelu_backward
"""

import math

import numpy as np

erfc = np.vectorize(math.erfc, otypes=[float])  # 1 - erf; NumPy has neither


def relu_forward(x):
    """x (...) -> y (...), cache."""
    y = np.maximum(x, 0)
    cache = (y,)
    return y, cache


def relu_backward(dy, cache):
    """dy (...) -> dx (...); the slope at x = 0 is 0."""
    (y,) = cache
    raise NotImplementedError("return dx")


def gelu_forward(x):
    """x (...) -> y (...), cache."""
    gate = erfc(-x / math.sqrt(2)) / 2  # the integral of the normal density up to x
    y = x * gate
    cache = (x, gate)
    return y, cache


def gelu_backward(dy, cache):
    """dy (...) -> dx (...)."""
    x, gate = cache
    raise NotImplementedError("return dx")
