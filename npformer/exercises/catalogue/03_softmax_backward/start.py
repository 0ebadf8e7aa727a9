"""Exercise 03: the backward of softmax.

    x (..., K)    y (..., K), each row a probability distribution

The forward is given. Write softmax_backward, then:

    npformer exercise check softmax_backward
    npformer exercise hint softmax_backward
"""

import numpy as np


def softmax_forward(x):
    """x (..., K) -> y (..., K), cache."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    y = e / e.sum(axis=-1, keepdims=True)
    cache = (y,)
    return y, cache


def softmax_backward(dy, cache):
    """dy (..., K) -> dx (..., K)."""
    (y,) = cache
    raise NotImplementedError("return dx")
