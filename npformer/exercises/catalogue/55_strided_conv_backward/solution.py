"""Exercise 55: a convolution that steps over positions."""

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
    dpadded, dweight = np.zeros(padded.shape), np.zeros(weight.shape)
    for k in range(3):
        # For one k no position is read twice; the three shifted sums overlap.
        dpadded[:, starts + k] += dy @ weight[:, :, k]
        dweight[:, :, k] = np.einsum("blo,bli->oi", dy, padded[:, starts + k])
    return dpadded[:, 1:-1], dweight, dy.sum(axis=(0, 1))
