import numpy as np


def feed_forward_forward(x, weight1, bias1, weight2, bias2):
    h = np.maximum(x @ weight1.T + bias1, 0)  # (B, T, F)
    y = h @ weight2.T + bias2
    cache = (x, weight1, weight2, h)
    return y, cache


def feed_forward_backward(dy, cache):
    x, weight1, weight2, h = cache
    dx, dweight1, dbias1 = np.zeros_like(x), np.zeros_like(weight1), np.zeros(len(weight1))
    dweight2, dbias2 = np.zeros_like(weight2), np.zeros(len(weight2))
    for b, t in np.ndindex(x.shape[:2]):
        awake = np.flatnonzero(h[b, t])
        for f in awake:
            da = weight2[:, f] @ dy[b, t]
            dx[b, t] += da * weight1[f]
            dweight1[f] += da * x[b, t]
            dbias1[f] += da
        dweight2 += np.outer(dy[b, t], h[b, t])
        dbias2 += dy[b, t]
    return dx, dweight1, dbias1, dweight2, dbias2
