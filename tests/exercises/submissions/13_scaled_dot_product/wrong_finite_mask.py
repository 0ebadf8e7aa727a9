# diagnosis: a large negative number stands for -inf
import numpy as np


def attention_forward(q, k, v, mask=None, *, causal=False):
    q, k, v = q.swapaxes(1, 2), k.swapaxes(1, 2), v.swapaxes(1, 2)
    scores = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1])
    if causal:
        triangle = np.tri(q.shape[2], k.shape[2], k.shape[2] - q.shape[2], dtype=bool)
        mask = triangle if mask is None else mask & triangle
    if mask is not None:
        scores = np.where(mask, scores, -1e9)
    highest = scores.max(axis=-1, keepdims=True)
    e = np.exp(scores - np.where(highest == -np.inf, 0, highest))
    total = e.sum(axis=-1, keepdims=True)
    probs = e / np.where(total == 0, 1, total)
    return (probs @ v).swapaxes(1, 2)
