# diagnosis: it must be (
import numpy as np


def embedding_forward(ids, weight, padding_idx=None):
    y = weight[ids]
    cache = (ids, len(weight), padding_idx)
    return y, cache


def embedding_backward(dy, cache):
    ids, entries, padding_idx = cache
    dweight = np.stack([dy[ids == v].sum(axis=0) * (v != padding_idx) for v in np.unique(ids)])
    return dweight
