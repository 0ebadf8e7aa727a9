import numpy as np


def embedding_forward(ids, weight, padding_idx=None):
    y = weight[ids]
    cache = (ids, len(weight), padding_idx)
    return y, cache


def embedding_backward(dy, cache):
    ids, entries, padding_idx = cache
    dweight = np.zeros((entries, dy.shape[-1]))
    for v in range(entries):
        if v != padding_idx:
            dweight[v] = dy[ids == v].sum(axis=0)
    return dweight
