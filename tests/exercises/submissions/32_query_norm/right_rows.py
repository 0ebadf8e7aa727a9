import numpy as np


def query_norm_forward(q, weight, eps=1e-6):
    rows = q.reshape(-1, q.shape[-1])
    size = np.sqrt((rows**2).mean(axis=1) + eps)
    return (rows / size[:, None] * (1 + weight)).reshape(q.shape), (q, size, weight)


def query_norm_backward(dy, cache):
    q, size, weight = cache
    rows, dy_rows = q.reshape(-1, q.shape[-1]), dy.reshape(-1, q.shape[-1])
    g = dy_rows * (1 + weight) / size[:, None]
    along = (g * rows).mean(axis=1) / size**2
    dq = g - rows * along[:, None]
    return dq.reshape(q.shape), (dy_rows * rows / size[:, None]).sum(axis=0)
