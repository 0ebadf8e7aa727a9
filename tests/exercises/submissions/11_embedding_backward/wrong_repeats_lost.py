# diagnosis: of a repeated id, one occurrence counts
import numpy as np


def embedding_forward(ids, weight, padding_idx=None):
    y = weight[ids]
    cache = (ids, len(weight), padding_idx)
    return y, cache


def embedding_backward(dy, cache):
    ids, entries, padding_idx = cache
    dweight = np.zeros((entries, dy.shape[-1]))
    dweight[ids] += dy
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return dweight
