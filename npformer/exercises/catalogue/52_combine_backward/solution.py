"""Exercise 52: bringing the experts' outputs together."""

import numpy as np


def combine_forward(h, weights, slots):
    """h (P, D), weights (R, k), slots (R, k) -> y (R, D), cache."""
    y = np.zeros((len(weights), h.shape[1]))
    for j in range(weights.shape[1]):
        r = np.flatnonzero(slots[:, j] >= 0)
        y[r] += weights[r, j, None] * h[slots[r, j]]
    return y, (h, weights, slots)


def combine_backward(dy, cache):
    """dy (R, D) -> dh (P, D), dweights (R, k)."""
    h, weights, slots = cache
    dh, dweights = np.zeros(h.shape), np.zeros(weights.shape)
    for j in range(weights.shape[1]):
        r = np.flatnonzero(slots[:, j] >= 0)  # -1 would be the last row
        p = slots[r, j]
        dh[p] = weights[r, j, None] * dy[r]
        # The only way by which the loss tells the router anything.
        dweights[r, j] = (dy[r] * h[p]).sum(axis=1)
    return dh, dweights
