"""Exercise 14: the backward of attention."""

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
    q, k, v, dy = (a.swapaxes(1, 2) for a in (q, k, v, dy))  # (B, N, T or S, H or Hv)
    # y = probs v: each factor gets dy times the other one.
    dprobs = dy @ v.swapaxes(2, 3)  # (B, N, T, S)
    dv = probs.swapaxes(2, 3) @ dy  # (B, N, S, Hv)
    # The softmax, row by row. Where a mask hides, probs is 0 and with it dscores.
    mean = (probs * dprobs).sum(axis=-1, keepdims=True)  # (B, N, T, 1)
    dscores = probs * (dprobs - mean)  # (B, N, T, S)
    # scores = scale * q k^T: the scale is a factor of both gradients.
    dq = scale * dscores @ k  # (B, N, T, H)
    dk = scale * dscores.swapaxes(2, 3) @ q  # (B, N, S, H)
    return dq.swapaxes(1, 2), dk.swapaxes(1, 2), dv.swapaxes(1, 2)
