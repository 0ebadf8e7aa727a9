"""Exercise 41: attention to two halves, merged."""

import numpy as np


def merge_forward(y1, lse1, y2, lse2):
    """y1, y2 (B, T, D), lse1, lse2 (B, T) -> y (B, T, D), cache."""
    total = np.logaddexp(lse1, lse2)
    share1, share2 = np.exp(lse1 - total), np.exp(lse2 - total)  # (B, T), they sum to 1
    y = share1[..., None] * y1 + share2[..., None] * y2
    return y, (y1, y2, share1, share2)


def merge_backward(dy, cache):
    """dy (B, T, D) -> dy1 (B, T, D), dlse1 (B, T), dy2 (B, T, D), dlse2 (B, T)."""
    y1, y2, share1, share2 = cache
    # The shares are a softmax of two numbers: its backward, p1 (dp1 - (p1 dp1 + p2 dp2)), is
    # p1 p2 (dp1 - dp2), because 1 - p1 is p2.
    dlse1 = share1 * share2 * (dy * (y1 - y2)).sum(axis=-1)  # (B, T)
    return share1[..., None] * dy, dlse1, share2[..., None] * dy, -dlse1
