"""Exercise 41: attention to two halves, merged.

    y1, y2, y (B, T, D)    lse1, lse2 (B, T)

The forward is given. Write merge_backward, then:

    npformer exercise check merging_halves
    npformer exercise hint merging_halves
"""

import numpy as np


def merge_forward(y1, lse1, y2, lse2):
    """y1, y2 (B, T, D), lse1, lse2 (B, T) -> y (B, T, D), cache."""
    total = np.logaddexp(lse1, lse2)
    share1, share2 = np.exp(lse1 - total), np.exp(lse2 - total)  # (B, T), they sum to 1
    y = share1[..., None] * y1 + share2[..., None] * y2
    return y, (y1, y2, share1, share2)


def merge_backward(dy, cache):
    """dy (B, T, D) -> dy1 (B, T, D), dlse1 (B, T), dy2 (B, T, D), dlse2 (B, T)."""
    y1, y2, share1, share2 = cache
    raise NotImplementedError("return dy1, dlse1, dy2, dlse2")
