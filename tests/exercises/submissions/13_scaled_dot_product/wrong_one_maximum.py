# diagnosis: one maximum is subtracted from the whole array
import numpy as np


def attention_forward(q, k, v, mask=None, *, causal=False):
    allowed = np.ones((len(q), q.shape[2], q.shape[1], k.shape[1]), bool)
    if mask is not None:
        allowed = allowed & mask
    if causal:
        allowed = allowed & np.tri(q.shape[1], k.shape[1], k.shape[1] - q.shape[1], dtype=bool)
    scores = np.einsum("btnh,bsnh->bnts", q, k) / np.sqrt(q.shape[-1])
    e = np.exp(scores - scores.max()) * allowed
    total = e.sum(axis=-1, keepdims=True)
    return np.einsum("bnts,bsnh->btnh", e / np.where(total == 0, 1, total), v)
