# diagnosis: the mask is applied to the weights
import numpy as np


def attention_forward(q, k, v, mask=None, *, causal=False):
    q, k, v = q.swapaxes(1, 2), k.swapaxes(1, 2), v.swapaxes(1, 2)
    scores = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1])
    if causal:
        triangle = np.tri(q.shape[2], k.shape[2], k.shape[2] - q.shape[2], dtype=bool)
        mask = triangle if mask is None else mask & triangle
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probs = e / e.sum(axis=-1, keepdims=True)
    if mask is not None:
        probs = probs * mask
    return (probs @ v).swapaxes(1, 2)
