# diagnosis: it must be (
import numpy as np


def rms_norm_forward(x, weight, eps=1e-5):
    rstd = 1 / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + eps)
    xhat = x * rstd
    return xhat * weight, (xhat, rstd, weight)


def rms_norm_backward(dy, cache):
    xhat, rstd, weight = cache
    g = dy * weight
    dx = rstd * (g - xhat * (g * xhat).mean(axis=-1, keepdims=True))
    return dx, (dy * xhat).sum(axis=0)
