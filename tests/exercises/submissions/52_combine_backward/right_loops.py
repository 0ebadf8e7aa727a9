import numpy as np


def combine_forward(h, weights, slots):
    """h (P, D), weights (R, k), slots (R, k) -> y (R, D), cache."""
    y = np.zeros((len(weights), h.shape[1]))
    for j in range(weights.shape[1]):
        r = np.flatnonzero(slots[:, j] >= 0)
        y[r] += weights[r, j, None] * h[slots[r, j]]
    return y, (h, weights, slots)


def combine_backward(dy, cache):
    h, weights, slots = cache
    dh, dweights = np.zeros(h.shape), np.zeros(weights.shape)
    for (r, j), p in np.ndenumerate(slots):
        if p >= 0:
            dh[p] += weights[r, j] * dy[r]
            dweights[r, j] = dy[r] @ h[p]
    return dh, dweights
