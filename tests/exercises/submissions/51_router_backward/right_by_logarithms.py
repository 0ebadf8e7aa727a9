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
    p, chosen, y, total = cache
    da = dy * y  # of log g
    if total is not None:
        da = da - y * da.sum(axis=-1, keepdims=True)
    dscores = -p * da.sum(axis=-1, keepdims=True)
    rows = np.arange(len(p))[:, None]
    dscores[rows, chosen] += da
    return dscores
