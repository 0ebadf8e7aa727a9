"""Exercise 50: a query that is normed, and then turned."""

import numpy as np


def turned(x, direction=1):
    """x (B, T, N, H) -> the same with each pair of columns turned by its position's angle.

    ``direction`` -1 turns by the opposite angles.
    """
    half = x.shape[-1] // 2
    angles = np.arange(x.shape[1])[:, None, None] / 10.0 ** (np.arange(half) / half)
    cos, sin = np.cos(angles), direction * np.sin(angles)  # (T, 1, H/2)
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def query_forward(q, weight, eps=1e-6):
    """q (B, T, N, H), weight (H,) -> y (B, T, N, H), cache."""
    rstd = 1 / np.sqrt(np.square(q).mean(axis=-1, keepdims=True) + eps)  # (B, T, N, 1)
    qhat = q * rstd
    return turned(qhat * weight), (qhat, rstd, weight)


def query_backward(dy, cache):
    """dy (B, T, N, H) -> dq (B, T, N, H), dweight (H,)."""
    qhat, rstd, weight = cache
    # The last step of the forward is undone first: the turn, by the opposite angles.
    dz = turned(dy, -1)
    g = dz * weight
    dq = rstd * (g - qhat * (g * qhat).mean(axis=-1, keepdims=True))
    # The weight met qhat before the turn, so its gradient is made of what is turned back.
    dweight = (dz * qhat).sum(axis=(0, 1, 2))
    return dq, dweight
