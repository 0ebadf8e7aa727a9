import math

import numpy as np


def swiglu_forward(gate, up):
    return gate / (1 + np.exp(-gate)) * up, (gate, up)


def swiglu_backward(dy, cache):
    gate, up = cache
    dgate, dup = np.zeros(dy.shape), np.zeros(dy.shape)
    for i in np.ndindex(dy.shape):
        s = 1 / (1 + math.exp(-gate[i]))
        dgate[i] = dy[i] * up[i] * (s + gate[i] * s * (1 - s))
        dup[i] = dy[i] * gate[i] * s
    return dgate, dup
