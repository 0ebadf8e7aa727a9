import numpy as np


def dropout_forward(x, p, rng):
    factor = np.ones(x.shape)
    if rng is not None and p > 0:
        factor[rng.random(x.shape, dtype=np.float32) < p] = 0
        factor /= 1 - p
    return x * factor, factor


def dropout_backward(dy, factor):
    return dy * factor
