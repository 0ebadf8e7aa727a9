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
    R, k = slots.shape
    place = np.zeros((R, k, len(h)))
    for (r, j), p in np.ndenumerate(slots):
        if p >= 0:
            place[r, j, p] = 1.0
    dh = np.einsum("rk,rkp,rd->pd", weights, place, dy)
    return dh, np.einsum("rd,rkp,pd->rk", dy, place, h)
