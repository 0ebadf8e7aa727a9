import math

import numpy as np


def relu_forward(x):
    y = np.maximum(x, 0)
    cache = (y,)
    return y, cache


def relu_backward(dy, cache):
    (y,) = cache
    dx = np.zeros(y.shape)
    for i in np.ndindex(y.shape):
        if y[i] > 0:
            dx[i] = dy[i]
    return dx


def gelu_forward(x):
    y = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        y[i] = x[i] * math.erfc(-x[i] / math.sqrt(2)) / 2
    return y, x


def gelu_backward(dy, x):
    dx = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        gate = math.erfc(-x[i] / math.sqrt(2)) / 2
        dx[i] = dy[i] * (gate + x[i] * math.exp(-(x[i] ** 2) / 2) / math.sqrt(2 * math.pi))
    return dx
