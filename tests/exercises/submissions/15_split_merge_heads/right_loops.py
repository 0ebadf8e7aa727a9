import numpy as np


def split_heads(x, heads):
    b, t, d = x.shape
    h = d // heads
    y = np.empty((b, heads, t, h))
    for n in range(heads):
        y[:, n] = x[:, :, n * h : (n + 1) * h]
    return y


def split_heads_backward(dy):
    b, n, t, h = dy.shape
    dx = np.zeros((b, t, n * h))
    for i, j, k, m in np.ndindex(dy.shape):
        dx[i, k, j * h + m] += dy[i, j, k, m]
    return dx


def merge_heads(x):
    return split_heads_backward(x)


def merge_heads_backward(dy, heads):
    return split_heads(dy, heads)
