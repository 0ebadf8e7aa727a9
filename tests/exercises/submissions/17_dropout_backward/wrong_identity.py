# diagnosis: dx
import numpy as np


def dropout_forward(x, p, rng):
    if rng is None or p == 0:
        return x, (None, 1.0)
    keep = rng.random(x.shape, dtype=np.float32) >= p
    scale = 1 / (1 - p)
    y = x * keep * scale
    cache = (keep, scale)
    return y, cache


def dropout_backward(dy, cache):
    keep, scale = cache
    return dy.copy()
