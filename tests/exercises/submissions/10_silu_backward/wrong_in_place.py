# diagnosis: the call changes dy
import numpy as np


def silu_forward(x):
    gate = 1 / (1 + np.exp(-x))
    y = x * gate
    cache = (x, gate)
    return y, cache


def silu_backward(dy, cache):
    x, gate = cache
    dy *= gate + x * gate * (1 - gate)
    return dy
