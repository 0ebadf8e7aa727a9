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
    dscores = np.zeros_like(p)
    for b in range(len(p)):
        of_softmax = np.diag(p[b]) - np.outer(p[b], p[b])  # dp / dscores
        of_g = of_softmax[chosen[b]]  # dg / dscores
        if total is not None:
            shares = np.eye(len(y[b])) - np.outer(y[b], np.ones(len(y[b])))
            of_g = shares @ of_g / total[b]
        dscores[b] = dy[b] @ of_g
    return dscores
