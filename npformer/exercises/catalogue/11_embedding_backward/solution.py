"""Exercise 11: the backward of a look-up."""

import numpy as np


def embedding_forward(ids, weight, padding_idx=None):
    """ids (...), weight (V, D) -> y (..., D), cache."""
    y = weight[ids]
    cache = (ids, len(weight), padding_idx)
    return y, cache


def embedding_backward(dy, cache):
    """dy (..., D) -> dweight (V, D)."""
    ids, entries, padding_idx = cache
    # A token that does not occur was not used, and keeps 0.
    dweight = np.zeros((entries, dy.shape[-1]))
    # A token that occurs five times gets five gradients. add.at adds them one by one, where
    # dweight[ids] += dy would read each row once and keep one of the five.
    np.add.at(dweight, ids, dy)
    # By convention, and last: whatever was added there is taken back. 0 is a token like any other.
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return dweight
