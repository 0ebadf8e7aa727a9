"""Exercise 11: the backward of a look-up.

    ids (...) integers in [0, V)    weight (V, D)    y (..., D)

The forward is given. Write embedding_backward, then:

    npformer exercise check embedding_backward
    npformer exercise hint embedding_backward
"""

import numpy as np


def embedding_forward(ids, weight, padding_idx=None):
    """ids (...), weight (V, D) -> y (..., D), cache."""
    y = weight[ids]
    cache = (ids, len(weight), padding_idx)
    return y, cache


def embedding_backward(dy, cache):
    """dy (..., D) -> dweight (V, D)."""
    ids, entries, padding_idx = cache
    raise NotImplementedError("return dweight")
