"""Exercise 66: experts that choose their tokens.

    scores, dscores (T, E)    h, dh (T, E, D)    y, dy (T, D)

The forward is given. Write expert_choice_backward, then:

    npformer exercise check expert_choice_backward
    npformer exercise hint expert_choice_backward
"""

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
    raise NotImplementedError("return dscores, dh")
