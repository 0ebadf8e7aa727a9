import numpy as np


def gated_heads_forward(z, x, weight):
    s = 1 / (1 + np.exp(-np.einsum("btd,nhd->btnh", x, weight)))
    return z * s, (z, s, x, weight)


def gated_heads_backward(dy, cache):
    z, s, x, weight = cache
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    dgate = dy * z * (s - s**2)
    for n in range(weight.shape[0]):
        for h in range(weight.shape[1]):
            dx += dgate[:, :, n, h, None] * weight[n, h]
            dweight[n, h] = (dgate[:, :, n, h, None] * x).sum(axis=(0, 1))
    return dy * s, dx, dweight
