"""Exercise 35: ALiBi, forward and backward.

    slopes (N,)    y (N, t, s)

Write both functions, then:

    npformer exercise check alibi
    npformer exercise hint alibi
"""

import numpy as np


def alibi_forward(slopes, t, s, at=None):
    """slopes (N,), t queries of which the first is at ``at``, s keys -> y (N, t, s), cache."""
    raise NotImplementedError("return y, cache")


def alibi_backward(dy, cache):
    """dy (N, t, s) -> dslopes (N,)."""
    raise NotImplementedError("return dslopes")
