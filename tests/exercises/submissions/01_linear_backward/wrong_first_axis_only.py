# diagnosis: dbias has the shape
import numpy as np


def linear_forward(x, weight, bias):
    y = x @ weight.T + bias
    cache = (x, weight)
    return y, cache


def linear_backward(dy, cache):
    x, weight = cache
    rows_dy, rows_x = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
    return dy @ weight, rows_dy.T @ rows_x, dy.sum(axis=0)
