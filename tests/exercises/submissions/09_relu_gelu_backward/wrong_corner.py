# diagnosis: the gradient passes where x is exactly 0
import math

import numpy as np

erfc = np.vectorize(math.erfc, otypes=[float])  # 1 - erf; NumPy has neither


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dy, cache):
    x = cache
    return dy * (x >= 0)


def gelu_forward(x):
    gate = erfc(-x / math.sqrt(2)) / 2  # the integral of the normal density up to x
    y = x * gate
    cache = (x, gate)
    return y, cache


def gelu_backward(dy, cache):
    x, gate = cache
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return dy * (gate + x * density)
