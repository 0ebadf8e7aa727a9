"""Exercise 47: the backward of an adapter of low rank.

    x (..., I)    down (Q, I)    up (O, Q)    weight (O, I)    y (..., O)

The forward is given. Write lora_backward, then:

    npformer exercise check lora_backward
    npformer exercise hint lora_backward
"""

import numpy as np


def lora_forward(x, down, up, *, weight, bias=None, scale=1.0):
    """x (..., I), down (Q, I), up (O, Q) -> y (..., O), cache."""
    h = x @ down.T  # (..., Q)
    y = x @ weight.T + scale * (h @ up.T)
    y = y if bias is None else y + bias
    return y, (x, h, down, up, weight, scale)


def lora_backward(dy, cache):
    """dy (..., O) -> dx (..., I), ddown (Q, I), dup (O, Q)."""
    x, h, down, up, weight, scale = cache
    raise NotImplementedError("return dx, ddown, dup")
