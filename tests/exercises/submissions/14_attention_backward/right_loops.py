import numpy as np


def attention_forward(q, k, v, mask=None, *, causal=False, scale=None):
    scale = 1 / np.sqrt(q.shape[-1]) if scale is None else scale
    if causal:
        triangle = np.tri(q.shape[1], k.shape[1], k.shape[1] - q.shape[1], dtype=bool)
        mask = triangle if mask is None else mask & triangle
    scores = scale * np.einsum("btnh,bsnh->bnts", q, k)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    highest = scores.max(axis=-1, keepdims=True)
    e = np.exp(scores - np.where(highest == -np.inf, 0, highest))
    total = e.sum(axis=-1, keepdims=True)
    probs = e / np.where(total == 0, 1, total)  # (B, N, T, S)
    y = np.einsum("bnts,bsnh->btnh", probs, v)
    cache = (q, k, v, probs, scale)
    return y, cache


def attention_backward(dy, cache):
    q, k, v, probs, scale = cache
    dq, dk, dv = np.zeros(q.shape), np.zeros(k.shape), np.zeros(v.shape)
    for b, n, t in np.ndindex(probs.shape[:3]):
        p = probs[b, n, t]
        jacobian = np.diag(p) - np.outer(p, p)
        dscores = jacobian @ (v[b, :, n] @ dy[b, t, n]) * scale
        dq[b, t, n] = dscores @ k[b, :, n]
        dk[b, :, n] += np.outer(dscores, q[b, t, n])
        dv[b, :, n] += np.outer(p, dy[b, t, n])
    return dq, dk, dv
