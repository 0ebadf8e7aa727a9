import numpy as np


def rms_norm_forward(x, weight, eps=1e-5):
    rms = np.sqrt((x**2).sum(axis=-1) / x.shape[-1] + eps)
    return x / rms[..., None] * weight, (x, rms, weight)


def rms_norm_backward(dy, cache):
    x, rms, weight = cache
    d = x.shape[-1]
    dx, dweight = np.zeros(x.shape), np.zeros(d)
    for b, t in np.ndindex(rms.shape):
        row = x[b, t] / rms[b, t]
        jacobian = (np.eye(d) - np.outer(row, row) / d) / rms[b, t]
        dx[b, t] = jacobian @ (dy[b, t] * weight)
        dweight += dy[b, t] * row
    return dx, dweight
