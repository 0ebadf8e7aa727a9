import numpy as np


def embedding_forward(ids, weight, padding_idx=None):
    return weight[ids], (ids, weight.shape, padding_idx)


def embedding_backward(dy, cache):
    ids, shape, padding_idx = cache
    dweight = np.zeros(shape)
    for position in np.ndindex(ids.shape):
        if ids[position] != padding_idx:
            dweight[ids[position]] += dy[position]
    return dweight
