"""Exercise 54: a mixture of experts, whole."""

import numpy as np


def mixture_forward(x, router, first, second, k=2):
    """x (B, D), router (4, D), first (4, F, D), second (4, D, F) -> y (B, D), cache."""
    scores = x @ router.T
    chosen = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, chosen, axis=1)
    share = np.exp(best - best.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    y = np.zeros(x.shape)
    for e in range(len(router)):
        of, j = np.nonzero(chosen == e)  # a token chooses an expert once at most
        h = np.tanh(x[of] @ first[e].T)
        y[of] += share[of, j, None] * (h @ second[e].T)
    return y, (x, router, first, second, chosen, share)


def mixture_backward(dy, cache):
    """dy (B, D) -> dx (B, D), drouter (4, D), dfirst (4, F, D), dsecond (4, D, F)."""
    x, router, first, second, chosen, share = cache
    dx, dshare = np.zeros(x.shape), np.zeros(share.shape)
    dfirst, dsecond = np.zeros(first.shape), np.zeros(second.shape)
    for e in range(len(router)):
        of, j = np.nonzero(chosen == e)
        h = np.tanh(x[of] @ first[e].T)
        dout = share[of, j, None] * dy[of]
        dshare[of, j] = (dy[of] * (h @ second[e].T)).sum(axis=1)
        dsecond[e] = dout.T @ h
        dh = (dout @ second[e]) * (1 - h * h)
        dfirst[e] = dh.T @ x[of]
        dx[of] += dh @ first[e]
    # The choice is a constant: the router learns by the shares alone.
    dbest = share * (dshare - (dshare * share).sum(axis=1, keepdims=True))
    dscores = np.zeros((len(x), len(router)))
    np.put_along_axis(dscores, chosen, dbest, axis=1)
    return dx + dscores @ router, dscores.T @ x, dfirst, dsecond
