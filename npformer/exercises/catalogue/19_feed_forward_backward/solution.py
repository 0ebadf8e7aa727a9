"""Exercise 19: the backward of the feed-forward network."""

import numpy as np


def feed_forward_forward(x, weight1, bias1, weight2, bias2):
    """x (B, T, D), weight1 (F, D), bias1 (F,), weight2 (D, F), bias2 (D,) -> y (B, T, D), cache."""
    h = np.maximum(x @ weight1.T + bias1, 0)  # (B, T, F)
    y = h @ weight2.T + bias2
    cache = (x, weight1, weight2, h)
    return y, cache


def feed_forward_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dweight1 (F, D), dbias1 (F,), dweight2 (D, F), dbias2 (D,)."""
    x, weight1, weight2, h = cache
    # The second map: its input is h, the gradient of its output is dy.
    dh = dy @ weight2  # (B, T, F)
    dweight2 = np.einsum("btd,btf->df", dy, h)
    dbias2 = dy.sum(axis=(0, 1))
    # The ReLU lets through what it let through in the forward. h > 0 exactly where a > 0.
    da = dh * (h > 0)  # (B, T, F)
    # The first map: its input is x, the gradient of its output is da.
    dx = da @ weight1  # (B, T, D)
    dweight1 = np.einsum("btf,btd->fd", da, x)
    dbias1 = da.sum(axis=(0, 1))
    return dx, dweight1, dbias1, dweight2, dbias2
