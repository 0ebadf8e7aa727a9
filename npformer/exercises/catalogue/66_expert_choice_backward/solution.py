"""Exercise 66: experts that choose their tokens."""

import numpy as np


def expert_choice_forward(scores, h):
    """scores (T, E), h (T, E, D) -> y (T, D), cache."""
    tokens = len(scores)
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    fit = p - 0.01 * np.arange(tokens)[:, None]  # of tokens that fit alike, the earlier one
    best = np.argsort(-fit, axis=0)[: (tokens + 1) // 2]  # of each expert
    taken = np.zeros(p.shape, bool)
    np.put_along_axis(taken, best, True, axis=0)
    y = ((taken * p)[:, :, None] * h).sum(axis=1)
    return y, (p, taken, h)


def expert_choice_backward(dy, cache):
    """dy (T, D) -> dscores (T, E), dh (T, E, D)."""
    p, taken, h = cache
    dh = (taken * p)[:, :, None] * dy[:, None]
    dp = taken * (dy[:, None] * h).sum(axis=2)
    # The choice went down the columns, and the softmax along the rows: every expert of the token
    # is in its denominator, whether it took the token or not.
    return p * (dp - (dp * p).sum(axis=1, keepdims=True)), dh
