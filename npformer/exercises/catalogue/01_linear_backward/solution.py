"""Exercise 01: the backward of a linear map."""

import numpy as np


def linear_forward(x, weight, bias):
    """x (..., I), weight (O, I), bias (O,) -> y (..., O), cache."""
    y = x @ weight.T + bias
    cache = (x, weight)
    return y, cache


def linear_backward(dy, cache):
    """dy (..., O) -> dx (..., I), dweight (O, I), dbias (O,)."""
    x, weight = cache
    # x_ri is in every y_ro of its row, times weight_oi: the sum is over o, dy's last axis.
    dx = dy @ weight
    # A weight is used by every row, so what is left is a sum over rows: all leading axes made one.
    rows = dy.reshape(-1, dy.shape[-1])  # (R, O)
    # weight_oi is in column o, times x_ri. The sum is over the first axis of both factors.
    dweight = rows.T @ x.reshape(-1, x.shape[-1])  # (O, I)
    # bias_o is in column o of every row, times 1. The forward repeated it, the backward sums.
    dbias = np.ones(len(rows)) @ rows
    return dx, dweight, dbias
