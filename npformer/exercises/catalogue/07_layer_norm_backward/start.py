"""Exercise 07: the backward of layer norm.

    x (..., D)    weight (D,)    bias (D,)    y (..., D)

The forward is given. Write layer_norm_backward, then:

    npformer exercise check layer_norm_backward
    npformer exercise hint layer_norm_backward
"""

import numpy as np


def layer_norm_forward(x, weight, bias, eps=1e-5):
    """x (..., D), weight (D,), bias (D,) -> y (..., D), cache."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)  # (..., 1)
    rstd = 1 / np.sqrt(variance + eps)  # (..., 1)
    xhat = centred * rstd
    y = xhat * weight + bias
    cache = (xhat, rstd, weight)
    return y, cache


def layer_norm_backward(dy, cache):
    """dy (..., D) -> dx (..., D), dweight (D,), dbias (D,)."""
    xhat, rstd, weight = cache
    raise NotImplementedError("return dx, dweight, dbias")
