import numpy as np


def layer_norm_forward(x, weight, bias, eps=1e-5):
    mu = x.mean(axis=-1, keepdims=True)
    variance = x.var(axis=-1, keepdims=True)
    y = (x - mu) / np.sqrt(variance + eps) * weight + bias
    return y, {"x": x, "mu": mu, "variance": variance + eps, "weight": weight}


def layer_norm_backward(dy, cache):
    x, mu, variance, weight = cache.values()
    d = x.shape[-1]
    centred, rstd = x - mu, variance**-0.5
    g = dy * weight
    drstd = (g * centred).sum(axis=-1, keepdims=True)
    dvariance = drstd * -0.5 * variance**-1.5
    dcentred = g * rstd + dvariance * 2 / d * centred
    dmu = -dcentred.sum(axis=-1, keepdims=True)
    rows = tuple(range(dy.ndim - 1))
    return dcentred + dmu / d, (dy * centred * rstd).sum(axis=rows), dy.sum(axis=rows)
