"""Exercise 32: the norm of queries, with 1 + weight."""

import numpy as np


def query_norm_forward(q, weight, eps=1e-6):
    """q (B, T, N, H), weight (H,) -> y (B, T, N, H), cache."""
    # Each head of each position is a row of its own.
    rstd = 1 / np.sqrt(np.square(q).mean(axis=-1, keepdims=True) + eps)  # (B, T, N, 1)
    qhat = q * rstd
    scale = 1 + weight
    cache = (qhat, rstd, scale)
    return qhat * scale, cache


def query_norm_backward(dy, cache):
    """dy (B, T, N, H) -> dq (B, T, N, H), dweight (H,)."""
    qhat, rstd, scale = cache
    g = dy * scale  # what arrives at qhat
    dq = rstd * (g - qhat * (g * qhat).mean(axis=-1, keepdims=True))
    # 1 + weight has the slope 1, and all heads of all positions share it.
    dweight = (dy * qhat).sum(axis=(0, 1, 2))  # (H,)
    return dq, dweight
