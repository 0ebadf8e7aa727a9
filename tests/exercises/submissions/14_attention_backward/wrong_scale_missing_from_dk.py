# diagnosis: dk lacks the scale
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
    dprobs = np.einsum("btnh,bsnh->bnts", dy, v)
    dscores = probs * (dprobs - (probs * dprobs).sum(axis=-1, keepdims=True))
    dq = scale * np.einsum("bnts,bsnh->btnh", dscores, k)
    dk = np.einsum("bnts,btnh->bsnh", dscores, q)
    dv = np.einsum("bnts,btnh->bsnh", probs, dy)
    return dq, dk, dv
