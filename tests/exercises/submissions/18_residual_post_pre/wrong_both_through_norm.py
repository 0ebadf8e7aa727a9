# diagnosis: both paths go through the norm
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


def sublayer_forward(x, weight):
    h = np.tanh(x @ weight.T)
    return h, (x, weight, h)


def sublayer_backward(dh, cache):
    x, weight, h = cache
    da = dh * (1 - h**2)
    return da @ weight, np.einsum("bto,bti->oi", da, x)


def post_norm_forward(x, weight, gain, bias):
    h, sublayer_cache = sublayer_forward(x, weight)
    y, norm_cache = norm_forward(x + h, gain, bias)
    return y, (sublayer_cache, norm_cache)


def pre_norm_forward(x, weight, gain, bias):
    z, norm_cache = norm_forward(x, gain, bias)
    h, sublayer_cache = sublayer_forward(z, weight)
    return x + h, (sublayer_cache, norm_cache)


def post_norm_backward(dy, cache):
    sublayer_cache, norm_cache = cache
    dsum, dgain, dbias = norm_backward(dy, norm_cache)
    branch, dweight = sublayer_backward(dsum, sublayer_cache)
    return dsum + branch, dweight, dgain, dbias


def pre_norm_backward(dy, cache):
    sublayer_cache, norm_cache = cache
    dz, dweight = sublayer_backward(dy, sublayer_cache)
    dx, dgain, dbias = norm_backward(dy + dz, norm_cache)
    return dx, dweight, dgain, dbias
