# diagnosis: the ReLU is skipped
import numpy as np


def feed_forward_forward(x, weight1, bias1, weight2, bias2):
    h = np.maximum(x @ weight1.T + bias1, 0)  # (B, T, F)
    y = h @ weight2.T + bias2
    cache = (x, weight1, weight2, h)
    return y, cache


def feed_forward_backward(dy, cache):
    x, weight1, weight2, h = cache
    dh = dy @ weight2
    da = dh
    dweight2 = np.einsum("btd,btf->df", dy, h)
    dweight1 = np.einsum("btf,btd->fd", da, x)
    dbias1, dbias2 = da.sum(axis=(0, 1)), dy.sum(axis=(0, 1))
    return da @ weight1, dweight1, dbias1, dweight2, dbias2
