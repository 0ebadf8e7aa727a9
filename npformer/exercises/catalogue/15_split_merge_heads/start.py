"""Exercise 15: splitting and merging heads, and the way back.

    split    (B, T, N H) -> (B, N, T, H)      feature n H + h is component h of head n
    merge    (B, N, T, H) -> (B, T, N H)

Write the four functions, then:

    npformer exercise check split_merge_heads
    npformer exercise hint split_merge_heads
"""

import numpy as np


def split_heads(x, heads):
    """x (B, T, N H), N = heads -> y (B, N, T, H)."""
    raise NotImplementedError("return y")


def split_heads_backward(dy):
    """dy (B, N, T, H) -> dx (B, T, N H)."""
    raise NotImplementedError("return dx")


def merge_heads(x):
    """x (B, N, T, H) -> y (B, T, N H)."""
    raise NotImplementedError("return y")


def merge_heads_backward(dy, heads):
    """dy (B, T, N H), N = heads -> dx (B, N, T, H)."""
    raise NotImplementedError("return dx")
