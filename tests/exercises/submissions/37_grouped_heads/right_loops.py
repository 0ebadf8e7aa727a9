import numpy as np


def grouped_attention_forward(q, k, v):
    """q (B, T, N, H), k (B, S, G, H), v (B, S, G, Hv) -> y (B, T, N, Hv), cache."""
    each = q.shape[2] // k.shape[2]  # heads of a group
    k_all, v_all = np.repeat(k, each, axis=2), np.repeat(v, each, axis=2)  # (B, S, N, .)
    scores = np.einsum("btnh,bsnh->bnts", q, k_all) / np.sqrt(q.shape[3])
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probs = e / e.sum(axis=-1, keepdims=True)  # (B, N, T, S)
    cache = (q, k, v, probs)
    return np.einsum("bnts,bsnh->btnh", probs, v_all), cache


def grouped_attention_backward(dy, cache):
    q, k, v, probs = cache
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for n in range(q.shape[2]):
        g = n // (q.shape[2] // k.shape[2])
        for b in range(len(q)):
            p, d = probs[b, n], dy[b, :, n]
            dp = d @ v[b, :, g].T
            ds = p * (dp - (p * dp).sum(axis=1, keepdims=True)) / np.sqrt(q.shape[3])
            dq[b, :, n] = ds @ k[b, :, g]
            dk[b, :, g] += ds.T @ q[b, :, n]
            dv[b, :, g] += p.T @ d
    return dq, dk, dv
