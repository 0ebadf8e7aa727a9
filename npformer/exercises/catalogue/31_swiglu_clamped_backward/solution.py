"""Exercise 31: the backward of a clamped SwiGLU."""

import numpy as np


def swiglu_clamped_forward(gate, up, alpha=1.702, limit=7.0):
    """gate (...), up (...) -> y (...), cache."""
    g = np.minimum(gate, limit)
    u = np.clip(up, -limit, limit)
    s = 1 / (1 + np.exp(-alpha * g))
    y = g * s * (u + 1)
    cache = (gate, up, g, u, s, alpha, limit)
    return y, cache


def swiglu_clamped_backward(dy, cache):
    """dy (...) -> dgate (...), dup (...)."""
    gate, up, g, u, s, alpha, limit = cache
    # Beyond a bound the clamp is constant, and nothing flows. At the bound itself it does.
    du = dy * g * s
    dup = np.where(np.abs(up) <= limit, du, 0)
    # alpha is inside the sigmoid: it is a factor of its slope. gate is clamped above only.
    dg = dy * (u + 1) * (s + g * alpha * s * (1 - s))
    dgate = np.where(gate <= limit, dg, 0)
    return dgate, dup
