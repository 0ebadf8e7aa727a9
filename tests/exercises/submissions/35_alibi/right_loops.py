"""Number by number."""

import numpy as np


def alibi_forward(slopes, t, s, at=None):
    at = s - t if at is None else at
    y = np.empty((len(slopes), t, s))
    for n, slope in enumerate(slopes):
        for i in range(t):
            for j in range(s):
                y[n, i, j] = -slope * abs(at + i - j)
    return y, (t, s, at)


def alibi_backward(dy, cache):
    t, s, at = cache
    dslopes = np.zeros(len(dy))
    for i in range(t):
        for j in range(s):
            dslopes -= dy[:, i, j] * abs(at + i - j)
    return dslopes
