"""Exercise 18: a residual, post-norm and pre-norm."""

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


def residual_forward(x, sublayer, gain, bias, pre_norm):
    """x (B, T, D) -> y (B, T, D), cache; ``sublayer(h)`` returns an array like h, and its cache."""
    if pre_norm:
        z, norm_cache = norm_forward(x, gain, bias)
        h, sublayer_cache = sublayer(z)
        y = x + h
    else:
        h, sublayer_cache = sublayer(x)
        y, norm_cache = norm_forward(x + h, gain, bias)
    return y, (norm_cache, sublayer_cache)


def residual_backward(dy, cache, sublayer_backward, pre_norm):
    """dy (B, T, D) -> dx (B, T, D), dgain (D,), dbias (D,).

    ``sublayer_backward(dh, cache)`` takes the sub-layer's cache and returns its input's gradient.
    """
    norm_cache, sublayer_cache = cache
    if pre_norm:
        # The sum was the last step. On the branch: first out of the sub-layer, then of the norm.
        branch, dgain, dbias = norm_backward(sublayer_backward(dy, sublayer_cache), norm_cache)
        # Nothing is on the skip path.
        return dy + branch, dgain, dbias
    # The norm was the last step, on both paths: nothing passes it by.
    dsum, dgain, dbias = norm_backward(dy, norm_cache)
    # The sum copies its gradient to both terms. x was used by both, so they are added.
    return dsum + sublayer_backward(dsum, sublayer_cache), dgain, dbias


def f_forward(x, weight):
    """The sub-layer of the check: x (B, T, D), weight (D, D) -> h (B, T, D), cache."""
    h = np.tanh(x @ weight.T)
    return h, (x, weight, h)


def f_backward(dh, cache):
    """dh (B, T, D) -> dx (B, T, D), dweight (D, D)."""
    x, weight, h = cache
    da = dh * (1 - h**2)
    return da @ weight, np.einsum("bto,bti->oi", da, x)


def post_norm_forward(x, weight, gain, bias):
    """norm(x + f(x)): x (B, T, D) -> y (B, T, D), cache."""
    return residual_forward(x, lambda h: f_forward(h, weight), gain, bias, False)


def post_norm_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dweight (D, D), dgain (D,), dbias (D,)."""
    return _around_f(dy, cache, False)


def pre_norm_forward(x, weight, gain, bias):
    """x + f(norm(x)): x (B, T, D) -> y (B, T, D), cache."""
    return residual_forward(x, lambda h: f_forward(h, weight), gain, bias, True)


def pre_norm_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dweight (D, D), dgain (D,), dbias (D,)."""
    return _around_f(dy, cache, True)


def _around_f(dy, cache, pre_norm):
    dweights = []

    def sublayer_backward(dh, sublayer_cache):
        dx, dweight = f_backward(dh, sublayer_cache)
        dweights.append(dweight)  # f gathers its own, as a module does
        return dx

    dx, dgain, dbias = residual_backward(dy, cache, sublayer_backward, pre_norm)
    return dx, sum(dweights), dgain, dbias
