"""Exercise 01: the backward of a linear map.

    x (..., I)    weight (O, I)    bias (O,)    y (..., O)

The forward is given. Write linear_backward, then:

    npformer exercise check linear_backward
    npformer exercise hint linear_backward
"""

import numpy as np


def linear_forward(x, weight, bias):
    """x (..., I), weight (O, I), bias (O,) -> y (..., O), cache."""
    y = x @ weight.T + bias
    cache = (x, weight)
    return y, cache


def linear_backward(dy, cache):
    """dy (..., O) -> dx (..., I), dweight (O, I), dbias (O,)."""
    x, weight = cache
    raise NotImplementedError("return dx, dweight, dbias")
