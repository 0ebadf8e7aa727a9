"""Exercise 08: RMS norm, forward and backward."""

import numpy as np


def rms_norm_forward(x, weight, eps=1e-5):
    """x (B, T, D), weight (D,) -> y (B, T, D), cache."""
    # eps inside the root bounds rstd by 1/sqrt(eps), for a row of zeros too.
    rstd = 1 / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + eps)  # (B, T, 1)
    xhat = x * rstd
    cache = (xhat, rstd, weight)
    return xhat * weight, cache


def rms_norm_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dweight (D,)."""
    xhat, rstd, weight = cache
    g = dy * weight  # what arrives at xhat
    # Two paths from x_j to xhat_i: directly, and through rstd. Without a mean, g keeps its own:
    # shifting a row does change y. Stretching it does not, and the part along xhat goes.
    dx = rstd * (g - xhat * (g * xhat).mean(axis=-1, keepdims=True))
    # Every row uses the same weight.
    dweight = (dy * xhat).sum(axis=(0, 1))  # (D,)
    return dx, dweight
