"""Exercise 55: a convolution that steps over positions.

    x (B, T, I)    weight (O, I, 3)    bias (O,)    y, dy (B, L, O)

The forward is given. Write strided_conv_backward, then:

    npformer exercise check strided_conv_backward
    npformer exercise hint strided_conv_backward
"""

import numpy as np


def strided_conv_forward(x, weight, bias, stride=1):
    """x (B, T, I), weight (O, I, 3), bias (O,) -> y (B, L, O), cache."""
    padded = np.pad(x, ((0, 0), (1, 1), (0, 0)))  # (B, T + 2, I)
    starts = np.arange(0, x.shape[1], stride)  # (L,): where each window begins in padded
    y = bias + sum(padded[:, starts + k] @ weight[:, :, k].T for k in range(3))
    return y, (padded, weight, starts)


def strided_conv_backward(dy, cache):
    """dy (B, L, O) -> dx (B, T, I), dweight (O, I, 3), dbias (O,)."""
    padded, weight, starts = cache
    raise NotImplementedError("return dx, dweight, dbias")
