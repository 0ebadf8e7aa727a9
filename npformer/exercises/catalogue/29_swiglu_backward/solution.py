"""Exercise 29: the backward of SwiGLU."""

import numpy as np


def swiglu_forward(gate, up):
    """gate (...), up (...) -> y (...), cache."""
    s = 1 / (1 + np.exp(-gate))
    y = gate * s * up
    cache = (gate, up, s)
    return y, cache


def swiglu_backward(dy, cache):
    """dy (...) -> dgate (...), dup (...)."""
    gate, up, s = cache
    # Of a product, each factor's gradient is dy times the other one. up is not activated.
    dup = dy * gate * s
    # gate is a factor, and it moves the sigmoid.
    dgate = dy * up * (s + gate * s * (1 - s))
    return dgate, dup
