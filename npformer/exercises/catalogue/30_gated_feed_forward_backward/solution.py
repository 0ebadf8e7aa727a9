"""Exercise 30: the backward of a gated feed-forward network."""

import numpy as np


def gated_forward(x, gate_weight, up_weight, down_weight):
    """x (B, T, D), gate_weight and up_weight (F, D), down_weight (D, F) -> y (B, T, D), cache."""
    gate = x @ gate_weight.T  # (B, T, F)
    up = x @ up_weight.T  # (B, T, F)
    s = (1 + np.tanh(gate / 2)) / 2  # 1 / (1 + exp(-gate)), without overflow
    h = gate * s * up
    y = h @ down_weight.T
    cache = (x, gate_weight, up_weight, down_weight, gate, up, s, h)
    return y, cache


def gated_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dgate_weight (F, D), dup_weight (F, D), ddown_weight (D, F)."""
    x, gate_weight, up_weight, down_weight, gate, up, s, h = cache
    # The last map read h, the product, and not one of its factors.
    dh = dy @ down_weight  # (B, T, F)
    ddown_weight = np.einsum("btd,btf->df", dy, h)
    # Each factor of the product gets the other one; gate goes through the activation besides.
    dup = dh * gate * s
    dgate = dh * up * (s + gate * s * (1 - s))
    dgate_weight = np.einsum("btf,btd->fd", dgate, x)
    dup_weight = np.einsum("btf,btd->fd", dup, x)
    # Two maps read x: its gradient is the sum of what both send back.
    dx = dgate @ gate_weight + dup @ up_weight  # (B, T, D)
    return dx, dgate_weight, dup_weight, ddown_weight
