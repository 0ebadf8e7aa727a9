# diagnosis: the derivative is the logistic function's
import numpy as np


def silu_forward(x):
    gate = 1 / (1 + np.exp(-x))
    y = x * gate
    cache = (x, gate)
    return y, cache


def silu_backward(dy, cache):
    _, gate = cache
    return dy * gate * (1 - gate)
