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
    dp = np.where(taken, np.einsum("td,ted->te", dy, h), 0.0)
    jacobian = p[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])
    dscores = np.einsum("te,tef->tf", dp, jacobian)
    return dscores, np.einsum("te,td->ted", np.where(taken, p, 0.0), dy)
