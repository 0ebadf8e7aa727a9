import numpy as np


def query_norm_forward(q, weight, eps=1e-6):
    rms = np.sqrt(np.square(q).mean(axis=-1) + eps)
    return q / rms[..., None] * (1 + weight), (q, rms, weight)


def query_norm_backward(dy, cache):
    q, rms, weight = cache
    h = q.shape[-1]
    dq, dweight = np.zeros(q.shape), np.zeros(h)
    for i in np.ndindex(rms.shape):
        row = q[i] / rms[i]
        dq[i] = (np.eye(h) - np.outer(row, row) / h) @ (dy[i] * (1 + weight)) / rms[i]
        dweight += dy[i] * row
    return dq, dweight
