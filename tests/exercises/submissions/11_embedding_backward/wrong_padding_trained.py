# diagnosis: the padding row gets a gradient
import numpy as np


def embedding_forward(ids, weight, padding_idx=None):
    y = weight[ids]
    cache = (ids, len(weight), padding_idx)
    return y, cache


def embedding_backward(dy, cache):
    ids, entries, padding_idx = cache
    dweight = np.zeros((entries, dy.shape[-1]))
    np.add.at(dweight, ids, dy)
    return dweight
