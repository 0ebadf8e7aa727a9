"""Exercise 31: the backward of a clamped SwiGLU.

    gate, up, y, dy, dgate, dup: any shape, all the same

The forward is given. Write swiglu_clamped_backward, then:

    npformer exercise check swiglu_clamped_backward
    npformer exercise hint swiglu_clamped_backward
"""

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
    raise NotImplementedError("return dgate, dup")
