"""Exercise 32: the norm of queries, with 1 + weight.

    q, y (B, T, N, H)    weight (H,)

Write both functions, then:

    npformer exercise check query_norm
    npformer exercise hint query_norm
"""

import numpy as np


def query_norm_forward(q, weight, eps=1e-6):
    """q (B, T, N, H), weight (H,) -> y (B, T, N, H), cache."""
    raise NotImplementedError("return y, cache")


def query_norm_backward(dy, cache):
    """dy (B, T, N, H) -> dq (B, T, N, H), dweight (H,)."""
    raise NotImplementedError("return dq, dweight")
