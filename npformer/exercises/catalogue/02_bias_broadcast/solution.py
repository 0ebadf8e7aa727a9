"""Exercise 02: sums over the axes that were broadcast."""


def affine_forward(x, gain, bias):
    """x (B, T, D), gain (T, 1), bias (D,) -> y (B, T, D), cache."""
    y = x * gain + bias
    cache = (x, gain)
    return y, cache


def affine_backward(dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dgain (T, 1), dbias (D,)."""
    x, gain = cache
    dx = dy * gain  # broadcast as in the forward: every x has one use
    # gain_t was repeated over B, an axis that it lacks, and over D, where its size is 1. The axis
    # that it has must stay, with size 1.
    dgain = (dy * x).sum(axis=0).sum(axis=-1, keepdims=True)  # (T, 1)
    # bias_d was repeated over B and T.
    dbias = dy.sum(axis=(0, 1))  # (D,)
    return dx, dgain, dbias
