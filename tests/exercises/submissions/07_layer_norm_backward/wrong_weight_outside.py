# diagnosis: the weight is applied outside the mean terms
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
    mean = dy.mean(axis=-1, keepdims=True)
    along = (dy * xhat).mean(axis=-1, keepdims=True)
    dx = weight * rstd * (dy - mean - xhat * along)
    rows = tuple(range(dy.ndim - 1))
    return dx, (dy * xhat).sum(axis=rows), dy.sum(axis=rows)
