"""Exercise 52: bringing the experts' outputs together.

    h, dh (P, D)    weights, dweights (R, k)    slots (R, k)    y, dy (R, D)

The forward is given. Write combine_backward, then:

    npformer exercise check combine_backward
    npformer exercise hint combine_backward
"""

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
    raise NotImplementedError("return dh, dweights")
