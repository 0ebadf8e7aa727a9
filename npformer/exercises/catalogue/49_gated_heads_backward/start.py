"""Exercise 49: a gate on what the heads found.

    z, y (B, T, N, H)    x (B, T, D)    weight (N, H, D)

The forward is given. Write gated_heads_backward, then:

    npformer exercise check gated_heads_backward
    npformer exercise hint gated_heads_backward
"""

import numpy as np


def gated_heads_forward(z, x, weight):
    """z (B, T, N, H), x (B, T, D), weight (N, H, D) -> y (B, T, N, H), cache."""
    s = 1 / (1 + np.exp(-np.einsum("btd,nhd->btnh", x, weight)))
    return z * s, (z, s, x, weight)


def gated_heads_backward(dy, cache):
    """dy (B, T, N, H) -> dz (B, T, N, H), dx (B, T, D), dweight (N, H, D)."""
    z, s, x, weight = cache
    raise NotImplementedError("return dz, dx, dweight")
