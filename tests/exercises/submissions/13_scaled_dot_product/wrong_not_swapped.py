# diagnosis: stops with ValueError
import numpy as np


def attention_forward(q, k, v, mask=None, *, causal=False):
    scores = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1])
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ v
