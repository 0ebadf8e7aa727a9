"""Exercise 09: the backward of ReLU and of GELU."""

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
    # y > 0 exactly where x > 0. At the kink y is 0 and the comparison False: the convention.
    return dy * (y > 0)


def gelu_forward(x):
    """x (...) -> y (...), cache."""
    gate = erfc(-x / math.sqrt(2)) / 2  # the integral of the normal density up to x
    y = x * gate
    cache = (x, gate)
    return y, cache


def gelu_backward(dy, cache):
    """dy (...) -> dx (...)."""
    x, gate = cache
    # x is a factor of y and the upper end of the gate's integral: the product rule has two terms.
    # The slope of an integral at its upper end is the integrand, which is the density.
    density = np.exp(-np.square(x) / 2) / math.sqrt(2 * math.pi)
    return dy * (gate + x * density)
