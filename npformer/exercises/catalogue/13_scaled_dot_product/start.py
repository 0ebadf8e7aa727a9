"""Exercise 13: scaled dot-product attention.

    q (B, T, N, H)    k (B, S, N, H)    v (B, S, N, Hv)    y (B, T, N, Hv)
    mask: None, or boolean and broadcasts to (B, N, T, S), True = may attend

Write attention_forward, then:

    npformer exercise check scaled_dot_product
    npformer exercise hint scaled_dot_product
"""

import numpy as np


def attention_forward(q, k, v, mask=None, *, causal=False):
    """q (B, T, N, H), k (B, S, N, H), v (B, S, N, Hv), mask -> y (B, T, N, Hv).

    With ``causal``, the last query sees every key and each one before it a key less. A query that
    sees no key gives zeros.
    """
    raise NotImplementedError("return y")
