# diagnosis: the density term x phi(x) is left out
import math

import numpy as np

erfc = np.vectorize(math.erfc, otypes=[float])  # 1 - erf; NumPy has neither


def relu_forward(x):
    y = np.maximum(x, 0)
    cache = (y,)
    return y, cache


def relu_backward(dy, cache):
    (y,) = cache
    return dy * (y > 0)


def gelu_forward(x):
    gate = erfc(-x / math.sqrt(2)) / 2  # the integral of the normal density up to x
    y = x * gate
    cache = (x, gate)
    return y, cache


def gelu_backward(dy, cache):
    x, gate = cache
    return dy * (gate)
