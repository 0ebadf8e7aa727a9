import numpy as np


def attention_forward(q, k, v, mask=None, *, causal=False):
    b, t, n, h = q.shape
    s = k.shape[1]
    full = np.broadcast_to(True if mask is None else mask, (b, n, t, s))
    y = np.zeros((b, t, n, v.shape[-1]))
    for i, j, u in np.ndindex(b, t, n):
        keys = [m for m in range(s) if full[i, u, j, m] and (m - s <= j - t or not causal)]
        if keys:
            scores = np.array([q[i, j, u] @ k[i, m, u] for m in keys]) / np.sqrt(h)
            e = np.exp(scores - scores.max())
            y[i, j, u] = (e / e.sum()) @ v[i, keys, u]
    cache = None
    return y, cache
