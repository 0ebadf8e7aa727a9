"""Exercise 10: the backward of SiLU."""

import numpy as np


def silu_forward(x):
    """x (...) -> y (...), cache."""
    gate = 1 / (1 + np.exp(-x))
    y = x * gate
    cache = (x, gate)
    return y, cache


def silu_backward(dy, cache):
    """dy (...) -> dx (...)."""
    x, gate = cache
    # The gate's own slope, exp(-x) / (1 + exp(-x))^2. This form is short and needs no second
    # exponential. Far to the right 1 - gate has lost its digits, where the slope is nearly 0.
    slope = gate * (1 - gate)
    # x is the factor and moves the gate. The second term has the sign of x: it takes the slope of y
    # above 1 on the right and below 0 on the left.
    return dy * (gate + x * slope)
