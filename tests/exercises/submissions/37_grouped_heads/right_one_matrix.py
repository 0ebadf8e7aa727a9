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
    """The heads of a group as more queries of one head: the sum over them is the product's."""
    q, k, v, probs = cache
    b, t, n, h = q.shape
    g = k.shape[2]

    def rows(x):  # (B, T, N, H) -> (B, G, N / G * T, H)
        return x.swapaxes(1, 2).reshape(b, g, n // g * t, -1)

    p = probs.reshape(b, g, n // g * t, -1)
    k, v = k.swapaxes(1, 2), v.swapaxes(1, 2)
    dp = rows(dy) @ v.swapaxes(2, 3)
    ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True)) / np.sqrt(h)
    dq = (ds @ k).reshape(b, n, t, h).swapaxes(1, 2)
    dk = (ds.swapaxes(2, 3) @ rows(q)).swapaxes(1, 2)
    return dq, dk, (p.swapaxes(2, 3) @ rows(dy)).swapaxes(1, 2)
