"""Exercise 30: the backward of a gated feed-forward network.

    x, y (B, T, D)    gate_weight, up_weight (F, D)    down_weight (D, F)
    gate, up, s, h (B, T, F)

The forward is given. Write gated_backward, then:

    npformer exercise check gated_feed_forward_backward
    npformer exercise hint gated_feed_forward_backward
"""

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
    raise NotImplementedError("return dx, dgate_weight, dup_weight, ddown_weight")
