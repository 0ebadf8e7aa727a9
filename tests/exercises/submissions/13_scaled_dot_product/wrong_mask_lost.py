# diagnosis: the mask is lost where causal is set
import numpy as np


def attention_forward(q, k, v, mask=None, *, causal=False):
    scores = np.einsum("btnh,bsnh->bnts", q, k) / np.sqrt(q.shape[-1])
    if causal:
        mask = np.tri(q.shape[1], k.shape[1], k.shape[1] - q.shape[1], dtype=bool)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    if mask is not None:
        e = e * mask
    total = e.sum(axis=-1, keepdims=True)
    return np.einsum("bnts,bsnh->btnh", e / np.where(total == 0, 1, total), v)
