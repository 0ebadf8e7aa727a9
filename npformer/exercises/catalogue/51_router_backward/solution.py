"""Exercise 51: a router's weights."""

import numpy as np


def router_forward(scores, k=2, normalize=True):
    """scores (B, E) -> y (B, k), cache."""
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p = p / p.sum(axis=-1, keepdims=True)
    chosen = np.argsort(-scores, axis=-1, kind="stable")[:, :k]
    g = np.take_along_axis(p, chosen, axis=-1)
    total = g.sum(axis=-1, keepdims=True) if normalize else None
    y = g if total is None else g / total
    return y, (p, chosen, y, total)


def router_backward(dy, cache):
    """dy (B, k) -> dscores (B, E)."""
    p, chosen, y, total = cache
    # A share loses, when its sum grows, as much as all shares together gain.
    dg = dy if total is None else (dy - (dy * y).sum(axis=-1, keepdims=True)) / total
    dp = np.zeros_like(p)
    np.put_along_axis(dp, chosen, dg, axis=-1)
    # Every expert is in the softmax's denominator, chosen or not.
    return p * (dp - (dp * p).sum(axis=-1, keepdims=True))
