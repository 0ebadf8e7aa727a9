import numpy as np


def softmax_forward(x):
    y = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
    return y, y


def softmax_backward(dy, y):
    dx = np.empty_like(y)
    for row in np.ndindex(y.shape[:-1]):
        p = y[row]
        dx[row] = (np.diag(p) - np.outer(p, p)) @ dy[row]
    return dx
