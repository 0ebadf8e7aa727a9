# diagnosis: the slope of the gate has the wrong sign
import numpy as np


def silu_forward(x):
    gate = 1 / (1 + np.exp(-x))
    y = x * gate
    cache = (x, gate)
    return y, cache


def silu_backward(dy, cache):
    x, gate = cache
    return dy * (gate - x * gate * (1 - gate))
