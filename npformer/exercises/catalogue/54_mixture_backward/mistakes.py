"""Wrong ways to write this exercise, for the diagnosis."""

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


def _wrong(
    dbest=lambda share, dshare: share * (dshare - (dshare * share).sum(axis=1, keepdims=True)),
    weigh=lambda share: share,
    reached=lambda h: 1 - h * h,
    of_x=lambda by_experts, by_router: by_experts + by_router,
    add=True,
):
    """The pair with one step changed."""

    def backward(dy, cache):
        x, router, first, second, chosen, share = cache
        dx, dshare = np.zeros(x.shape), np.zeros(share.shape)
        dfirst, dsecond = np.zeros(first.shape), np.zeros(second.shape)
        for e in range(len(router)):
            of, j = np.nonzero(chosen == e)
            h = np.tanh(x[of] @ first[e].T)
            dout = weigh(share)[of, j, None] * dy[of]
            dshare[of, j] = (dy[of] * (h @ second[e].T)).sum(axis=1)
            dsecond[e] = dout.T @ h
            dh = (dout @ second[e]) * reached(h)
            dfirst[e] = dh.T @ x[of]
            dx[of] = (dx[of] if add else 0) + dh @ first[e]
        dscores = np.zeros((len(x), len(router)))
        np.put_along_axis(dscores, chosen, dbest(share, dshare), axis=1)
        return of_x(dx, dscores @ router), dscores.T @ x, dfirst, dsecond

    return {"mixture_forward": mixture_forward, "mixture_backward": backward}


MISTAKES = [
    ("the router's part of dx is left out", _wrong(of_x=lambda a, b: a)),
    ("the experts' part of dx is left out", _wrong(of_x=lambda a, b: b)),
    ("dx[of] = ...: of a token's experts the last one counts; what is read several times gets the "
     "sum", _wrong(add=False)),
    ("the router learns nothing: its shares get no gradient",
     _wrong(dbest=lambda share, dshare: 0 * dshare)),
    ("the softmax over the chosen has no backward", _wrong(dbest=lambda share, dshare: dshare)),
    ("the sum that the shares are divided by is held constant",
     _wrong(dbest=lambda share, dshare: share * dshare)),
    ("every expert gets the whole of dy; it is its share of it", _wrong(weigh=np.ones_like)),
    ("the tanh's slope is left out", _wrong(reached=lambda h: 1.0)),
]  # fmt: skip
