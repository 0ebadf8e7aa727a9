"""Exercise 13: scaled dot-product attention."""

import numpy as np


def attention_forward(q, k, v, mask=None, *, causal=False):
    """q (B, T, N, H), k (B, S, N, H), v (B, S, N, Hv), mask -> y (B, T, N, Hv).

    With ``causal``, the last query sees every key and each one before it a key less. A query that
    sees no key gives zeros.
    """
    q, k, v = q.swapaxes(1, 2), k.swapaxes(1, 2), v.swapaxes(1, 2)  # (B, N, T or S, H or Hv)
    # A dot product of H terms of variance 1 has variance H. The scale brings it back to 1.
    scores = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1])  # (B, N, T, S)
    if causal:
        t, s = q.shape[2], k.shape[2]
        triangle = np.tri(t, s, s - t, dtype=bool)  # (T, S), the last row all True
        mask = triangle if mask is None else mask & triangle
    if mask is not None:
        # Before the softmax: then a hidden key is in no denominator either.
        scores = np.where(mask, scores, -np.inf)
    highest = scores.max(axis=-1, keepdims=True)
    # In a row that is hidden whole the maximum is -inf. Anything finite will do in its place.
    e = np.exp(scores - np.where(highest == -np.inf, 0, highest))
    total = e.sum(axis=-1, keepdims=True)
    probs = e / np.where(total == 0, 1, total)  # such a row is 0 / 1
    return (probs @ v).swapaxes(1, 2)  # (B, T, N, Hv)
