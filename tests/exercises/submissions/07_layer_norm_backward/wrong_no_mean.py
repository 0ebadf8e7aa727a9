# diagnosis: the path through mu is left out
import numpy as np


def layer_norm_forward(x, weight, bias, eps=1e-5):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)  # (..., 1)
    rstd = 1 / np.sqrt(variance + eps)  # (..., 1)
    xhat = centred * rstd
    y = xhat * weight + bias
    cache = (xhat, rstd, weight)
    return y, cache


def layer_norm_backward(dy, cache):
    xhat, rstd, weight = cache
    rows = tuple(range(dy.ndim - 1))
    g = dy * weight
    mean_gx = (g * xhat).mean(axis=-1, keepdims=True)
    dx = rstd * (g - xhat * mean_gx)
    return dx, (dy * xhat).sum(axis=rows), dy.sum(axis=rows)
