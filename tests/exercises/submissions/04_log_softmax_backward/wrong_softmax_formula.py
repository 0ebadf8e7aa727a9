# diagnosis: the softmax's formula is used on exp(y)
import numpy as np


def log_softmax_forward(x):
    z = x - x.max(axis=-1, keepdims=True)
    y = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    cache = (y,)
    return y, cache


def log_softmax_backward(dy, cache):
    (y,) = cache
    p = np.exp(y)
    return p * (dy - (dy * p).sum(axis=-1, keepdims=True))
