"""Exercise 17: the backward of dropout.

    x (...)    y (...)    keep (...), boolean, or None at inference

The forward is given. Write dropout_backward, then:

    npformer exercise check dropout_backward
    npformer exercise hint dropout_backward
"""

import numpy as np


def dropout_forward(x, p, rng):
    """x (...) -> y (...), cache; rng draws the mask, None means inference."""
    if rng is None or p == 0:
        return x, (None, 1.0)
    keep = rng.random(x.shape, dtype=np.float32) >= p
    scale = 1 / (1 - p)
    y = x * keep * scale
    cache = (keep, scale)
    return y, cache


def dropout_backward(dy, cache):
    """dy (...) -> dx (...)."""
    keep, scale = cache
    raise NotImplementedError("return dx")
