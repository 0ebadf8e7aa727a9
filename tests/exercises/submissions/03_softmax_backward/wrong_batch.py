# diagnosis: divided by the batch size
import numpy as np


def softmax_forward(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    y = e / e.sum(axis=-1, keepdims=True)
    return y, (y,)


def softmax_backward(dy, cache):
    (y,) = cache
    dx = y * (dy - (dy * y).sum(axis=-1, keepdims=True))
    return dx / len(dy)
