"""Exercise 60: a gradient past a staircase."""

import numpy as np


def fake_quantize_forward(x, scale, *, zero=0, low=-128, high=127):
    """x (..., D), scale (...) -> y (..., D), cache."""
    u = x / scale
    q = np.rint(u) + zero
    y = (np.clip(q, low, high) - zero) * scale
    return y, (u, q, zero, low, high, scale.shape)


def summed_to(x, shape):
    """The sum of x over the axes along which an array of that shape was broadcast to it."""
    x = x.sum(axis=tuple(range(x.ndim - len(shape))))
    wider = tuple(i for i, size in enumerate(shape) if size == 1 and x.shape[i] != 1)
    return x.sum(axis=wider, keepdims=True)


def fake_quantize_backward(dy, cache):
    """dy (..., D) -> dx (..., D), dscale (...)."""
    u, q, zero, low, high, shape = cache
    inside = (low <= q) & (q <= high)  # of the rounded number, both ends with it
    dx = np.where(inside, dy, 0)
    slope = np.where(inside, (q - zero) - u, np.clip(q, low, high) - zero)
    return dx, summed_to(dy * slope, shape)
