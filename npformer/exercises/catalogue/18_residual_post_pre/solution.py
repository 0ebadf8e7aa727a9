"""Exercise 18: the backward of a residual, post-norm and pre-norm."""

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
    # The norm was the last step, on both paths: nothing passes it by.
    dsum, dgain, dbias = norm_backward(dy, norm_cache)
    # The sum copies its gradient to both terms. x was used by both, so they are added.
    branch, dweight = sublayer_backward(dsum, sublayer_cache)
    return dsum + branch, dweight, dgain, dbias


def pre_norm_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dweight (D, D), dgain (D,), dbias (D,)."""
    sublayer_cache, norm_cache = cache
    # The sum was the last step. On the branch: first out of the sub-layer, then out of the norm.
    dz, dweight = sublayer_backward(dy, sublayer_cache)
    branch, dgain, dbias = norm_backward(dz, norm_cache)
    # On the skip path stands nothing at all.
    return dy + branch, dweight, dgain, dbias
