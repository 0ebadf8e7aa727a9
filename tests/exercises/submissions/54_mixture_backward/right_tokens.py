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
    x, router, first, second, chosen, share = cache
    dx, drouter = np.zeros(x.shape), np.zeros(router.shape)
    dfirst, dsecond = np.zeros(first.shape), np.zeros(second.shape)
    for b in range(len(x)):
        outs = []
        for e, w in zip(chosen[b], share[b], strict=True):
            h = np.tanh(first[e] @ x[b])
            outs.append(second[e] @ h)
            dsecond[e] += w * np.outer(dy[b], h)
            dh = w * (second[e].T @ dy[b]) * (1 - h * h)
            dfirst[e] += np.outer(dh, x[b])
            dx[b] += first[e].T @ dh
        for j, e in enumerate(chosen[b]):
            dscore = share[b, j] * (outs[j] - share[b] @ np.array(outs)) @ dy[b]
            drouter[e] += dscore * x[b]
            dx[b] += dscore * router[e]
    return dx, drouter, dfirst, dsecond
