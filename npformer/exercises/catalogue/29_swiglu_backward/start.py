"""Exercise 29: the backward of SwiGLU.

    gate, up, y, dy, dgate, dup: any shape, all the same

The forward is given. Write swiglu_backward, then:

    npformer exercise check swiglu_backward
    npformer exercise hint swiglu_backward
"""

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
    raise NotImplementedError("return dgate, dup")
