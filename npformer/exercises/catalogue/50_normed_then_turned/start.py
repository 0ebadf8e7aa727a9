"""Exercise 50: a query that is normed, and then turned.

    q, y (B, T, N, H)    weight (H,)    H is 6

turned and the forward are given. Write query_backward, then:

    npformer exercise check normed_then_turned
    npformer exercise hint normed_then_turned
"""

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
    raise NotImplementedError("return dq, dweight")
