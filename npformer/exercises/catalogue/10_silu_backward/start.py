"""Exercise 10: the backward of SiLU.

    x, y, dy, dx: any shape, all the same

The forward is given. Write silu_backward, then:

    npformer exercise check silu_backward
    npformer exercise hint silu_backward
"""

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
    raise NotImplementedError("return dx")
