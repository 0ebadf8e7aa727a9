"""Exercise 51: a router's weights.

    scores, dscores (B, E)    y, dy (B, k)

The forward is given. Write router_backward, then:

    npformer exercise check router_backward
    npformer exercise hint router_backward
"""

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
    p, chosen, y, total = cache  # total (B, 1), or None without normalize
    raise NotImplementedError("return dscores")
