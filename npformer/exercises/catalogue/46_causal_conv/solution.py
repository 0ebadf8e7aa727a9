"""Exercise 46: a short causal convolution, forward and backward."""

import numpy as np


def causal_conv_forward(x, weight):
    """x (B, T, D), weight (D, K) -> y (B, T, D), cache."""
    length, width = x.shape[1], weight.shape[1]
    y = np.zeros(x.shape)
    for back in range(min(width, length)):
        y[:, back:] += weight[:, width - 1 - back] * x[:, : length - back]
    return y, (x, weight)


def causal_conv_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dweight (D, K)."""
    x, weight = cache
    length, width = x.shape[1], weight.shape[1]
    dx, dweight = np.zeros(x.shape), np.zeros(weight.shape)
    for back in range(min(width, length)):
        # The forward's product of two slices, with the sides exchanged.
        dx[:, : length - back] += weight[:, width - 1 - back] * dy[:, back:]
        dweight[:, width - 1 - back] = (dy[:, back:] * x[:, : length - back]).sum(axis=(0, 1))
    return dx, dweight
