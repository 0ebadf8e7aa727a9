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
    d = dy.shape[-1]
    dx = np.empty(dy.shape)
    dweight, dbias = np.zeros(d), np.zeros(d)
    for row in np.ndindex(dy.shape[:-1]):
        jacobian = rstd[row] * (np.eye(d) - 1 / d - np.outer(xhat[row], xhat[row]) / d)
        dx[row] = (dy[row] * weight) @ jacobian
        dweight += dy[row] * xhat[row]
        dbias += dy[row]
    return dx, dweight, dbias
