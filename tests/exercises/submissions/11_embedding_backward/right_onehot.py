import numpy as np


def embedding_forward(ids, weight, padding_idx=None):
    y = weight[ids]
    cache = (ids, len(weight), padding_idx)
    return y, cache


def embedding_backward(dy, cache):
    ids, entries, padding_idx = cache
    onehot = np.eye(entries)[ids]  # (..., V)
    dweight = np.einsum("rv,rd->vd", onehot.reshape(-1, entries), dy.reshape(-1, dy.shape[-1]))
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return dweight
