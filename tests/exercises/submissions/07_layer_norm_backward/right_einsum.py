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
    along = np.einsum("...i,...i,i->...", dy, xhat, weight)[..., None]
    shift = np.einsum("...i,i->...", dy, weight)[..., None]
    dx = rstd / d * (d * dy * weight - shift - xhat * along)
    rows_dy, rows_xhat = dy.reshape(-1, d), xhat.reshape(-1, d)
    return dx, np.einsum("rd,rd->d", rows_dy, rows_xhat), np.ones(len(rows_dy)) @ rows_dy
