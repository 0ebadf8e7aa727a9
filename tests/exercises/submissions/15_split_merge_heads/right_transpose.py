import numpy as np


def split_heads(x, heads):
    y = np.array(np.split(x, heads, axis=-1))
    return y.transpose(1, 0, 2, 3)


def split_heads_backward(dy):
    return np.concatenate([dy[:, n] for n in range(dy.shape[1])], axis=-1)


def merge_heads(x):
    return np.moveaxis(x, 1, 2).reshape(len(x), x.shape[2], -1)


def merge_heads_backward(dy, heads):
    return np.moveaxis(dy.reshape(*dy.shape[:2], heads, -1), 2, 1)
