"""Exercise 37: heads that share their keys."""

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
    """dy (B, T, N, Hv) -> dq (B, T, N, H), dk (B, S, G, H), dv (B, S, G, Hv)."""
    q, k, v, probs = cache
    groups, each = k.shape[2], q.shape[2] // k.shape[2]
    k_all, v_all = np.repeat(k, each, axis=2), np.repeat(v, each, axis=2)  # (B, S, N, .)
    dprobs = np.einsum("btnh,bsnh->bnts", dy, v_all)
    dscores = probs * (dprobs - (probs * dprobs).sum(axis=-1, keepdims=True))
    dscores = dscores / np.sqrt(q.shape[3])
    dq = np.einsum("bnts,bsnh->btnh", dscores, k_all)
    dk_all = np.einsum("bnts,btnh->bsnh", dscores, q)  # one for each head
    dv_all = np.einsum("bnts,btnh->bsnh", probs, dy)
    # A key that several heads read gets the sum of what each of them sends back.
    dk = dk_all.reshape(*dk_all.shape[:2], groups, each, -1).sum(axis=3)
    dv = dv_all.reshape(*dv_all.shape[:2], groups, each, -1).sum(axis=3)
    return dq, dk, dv
