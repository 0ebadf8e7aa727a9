"""Exercise 18: the backward of a residual, post-norm and pre-norm.

    x, y (B, T, D)    weight (D, D)    gain (D,)    bias (D,)

The forwards, and the backwards of the norm and of the sub-layer f, are given. Write
post_norm_backward and pre_norm_backward, then:

    npformer exercise check residual_post_pre
    npformer exercise hint residual_post_pre
"""

import numpy as np


def norm_forward(x, gain, bias):
    """x (B, T, D), gain (D,), bias (D,) -> y (B, T, D), cache."""
    rstd = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
    xhat = (x - x.mean(axis=-1, keepdims=True)) * rstd
    return gain * xhat + bias, (xhat, rstd, gain)


def norm_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dgain (D,), dbias (D,)."""
    xhat, rstd, gain = cache
    dxhat = dy * gain
    along = (dxhat * xhat).mean(axis=-1, keepdims=True)
    dx = rstd * (dxhat - dxhat.mean(axis=-1, keepdims=True) - xhat * along)
    return dx, (dy * xhat).sum(axis=(0, 1)), dy.sum(axis=(0, 1))


def sublayer_forward(x, weight):
    """x (B, T, D), weight (D, D) -> h (B, T, D), cache."""
    h = np.tanh(x @ weight.T)
    return h, (x, weight, h)


def sublayer_backward(dh, cache):
    """dh (B, T, D) -> dx (B, T, D), dweight (D, D)."""
    x, weight, h = cache
    da = dh * (1 - h**2)
    return da @ weight, np.einsum("bto,bti->oi", da, x)


def post_norm_forward(x, weight, gain, bias):
    """norm(x + f(x)): x (B, T, D) -> y (B, T, D), cache."""
    h, sublayer_cache = sublayer_forward(x, weight)
    y, norm_cache = norm_forward(x + h, gain, bias)
    return y, (sublayer_cache, norm_cache)


def pre_norm_forward(x, weight, gain, bias):
    """x + f(norm(x)): x (B, T, D) -> y (B, T, D), cache."""
    z, norm_cache = norm_forward(x, gain, bias)
    h, sublayer_cache = sublayer_forward(z, weight)
    return x + h, (sublayer_cache, norm_cache)


def post_norm_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dweight (D, D), dgain (D,), dbias (D,)."""
    sublayer_cache, norm_cache = cache
    raise NotImplementedError("return dx, dweight, dgain, dbias")


def pre_norm_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dweight (D, D), dgain (D,), dbias (D,)."""
    sublayer_cache, norm_cache = cache
    raise NotImplementedError("return dx, dweight, dgain, dbias")
