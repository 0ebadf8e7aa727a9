# diagnosis: the norm is on the branch
import numpy as np


def norm_forward(x, gain, bias):
    rstd = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
    xhat = (x - x.mean(axis=-1, keepdims=True)) * rstd
    return gain * xhat + bias, (xhat, rstd, gain)


def norm_backward(dy, cache):
    xhat, rstd, gain = cache
    dxhat = dy * gain
    along = (dxhat * xhat).mean(axis=-1, keepdims=True)
    dx = rstd * (dxhat - dxhat.mean(axis=-1, keepdims=True) - xhat * along)
    return dx, (dy * xhat).sum(axis=(0, 1)), dy.sum(axis=(0, 1))


def residual_forward(x, sublayer, gain, bias, pre_norm):
    if pre_norm:
        z, norm_cache = norm_forward(x, gain, bias)
        h, sublayer_cache = sublayer(z)
        return x + h, (norm_cache, sublayer_cache)
    h, sublayer_cache = sublayer(x)
    h, norm_cache = norm_forward(h, gain, bias)
    return x + h, (norm_cache, sublayer_cache)


def residual_backward(dy, cache, sublayer_backward, pre_norm):
    norm_cache, sublayer_cache = cache
    if pre_norm:
        dz = sublayer_backward(dy, sublayer_cache)
        branch, dgain, dbias = norm_backward(dz, norm_cache)
        return dy + branch, dgain, dbias
    dh, dgain, dbias = norm_backward(dy, norm_cache)
    return dy + sublayer_backward(dh, sublayer_cache), dgain, dbias
