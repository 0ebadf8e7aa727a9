# diagnosis: y stands where exp(y) belongs
import numpy as np


def log_softmax_forward(x):
    z = x - x.max(axis=-1, keepdims=True)
    y = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    cache = (y,)
    return y, cache


def log_softmax_backward(dy, cache):
    (y,) = cache
    return dy - y * dy.sum(axis=-1, keepdims=True)
