import numpy as np


def linear_forward(x, weight, bias):
    y = x @ weight.T + bias
    cache = (x, weight)
    return y, cache


def linear_backward(dy, cache):
    x, weight = cache
    dx = np.einsum("...o,oi->...i", dy, weight)
    dweight = np.einsum("ro,ri->oi", dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1]))
    return dx, dweight, np.einsum("ro->o", dy.reshape(-1, dy.shape[-1]))
