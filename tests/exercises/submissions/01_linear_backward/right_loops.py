import numpy as np


def linear_forward(x, weight, bias):
    y = x @ weight.T + bias
    cache = (x, weight)
    return y, cache


def linear_backward(dy, cache):
    x, weight = cache
    rows_dy = dy.reshape(-1, dy.shape[-1])
    rows_x = x.reshape(-1, x.shape[-1])
    dx, dweight = np.zeros(rows_x.shape), np.zeros(weight.shape)
    for r in range(len(rows_dy)):
        dx[r] = weight.T @ rows_dy[r]
        dweight += np.outer(rows_dy[r], rows_x[r])
    return [dx.reshape(x.shape), dweight, rows_dy.sum(axis=0)]
