"""Exercise 35: ALiBi, forward and backward."""

import numpy as np


def alibi_forward(slopes, t, s, at=None):
    """slopes (N,), t queries of which the first is at ``at``, s keys -> y (N, t, s), cache."""
    if at is None:
        at = s - t  # the last query is then at s - 1
    distance = np.abs(at + np.arange(t)[:, None] - np.arange(s))  # (t, s)
    return -slopes[:, None, None] * distance, distance


def alibi_backward(dy, cache):
    """dy (N, t, s) -> dslopes (N,)."""
    # A slope was spread over all queries and keys: its gradient is the sum over them.
    return -(dy * cache).sum(axis=(1, 2))
