import math

import numpy as np


def swiglu_clamped_forward(gate, up, alpha=1.702, limit=7.0):
    g = np.minimum(gate, limit)
    y = g / (1 + np.exp(-alpha * g)) * (np.clip(up, -limit, limit) + 1)
    return y, (gate, up, alpha, limit)


def swiglu_clamped_backward(dy, cache):
    gate, up, alpha, limit = cache
    dgate, dup = np.zeros(dy.shape), np.zeros(dy.shape)
    for i in np.ndindex(dy.shape):
        g, u = min(gate[i], limit), max(-limit, min(up[i], limit))
        s = 1 / (1 + math.exp(-alpha * g))
        if gate[i] <= limit:
            dgate[i] = dy[i] * (u + 1) * (s + alpha * g * s * (1 - s))
        if -limit <= up[i] <= limit:
            dup[i] = dy[i] * g * s
    return dgate, dup
