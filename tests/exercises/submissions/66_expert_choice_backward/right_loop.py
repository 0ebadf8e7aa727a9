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
    p, taken, h = cache
    dscores, dh = np.zeros(p.shape), np.zeros(h.shape)
    for t, e in np.argwhere(taken):
        dh[t, e] = p[t, e] * dy[t]
        dp = dy[t] @ h[t, e]
        dscores[t] -= p[t, e] * p[t] * dp
        dscores[t, e] += p[t, e] * dp
    return dscores, dh
