"""Exercise 14: the backward of attention.

    q (B, T, N, H)    k (B, S, N, H)    v (B, S, N, Hv)    y (B, T, N, Hv)
    probs (B, N, T, S), each row a probability distribution, or 0 if it is hidden whole

The forward is given. Write attention_backward, then:

    npformer exercise check attention_backward
    npformer exercise hint attention_backward
"""

import numpy as np


def attention_forward(q, k, v, mask=None, *, causal=False, scale=None):
    """q (B, T, N, H), k (B, S, N, H), v (B, S, N, Hv), mask -> y (B, T, N, Hv), cache."""
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
    """dy (B, T, N, Hv) -> dq (B, T, N, H), dk (B, S, N, H), dv (B, S, N, Hv)."""
    q, k, v, probs, scale = cache
    raise NotImplementedError("return dq, dk, dv")
