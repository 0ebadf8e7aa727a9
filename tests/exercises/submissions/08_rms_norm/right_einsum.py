import numpy as np


def rms_norm_forward(x, weight, eps=1e-5):
    square = np.einsum("btd,btd->bt", x, x) / x.shape[-1] + eps
    y = np.einsum("btd,bt,d->btd", x, square**-0.5, weight)
    return y, (x, weight, square)


def rms_norm_backward(dy, cache):
    x, weight, square = cache
    dsquare = -0.5 * np.einsum("btd,btd,d,bt->bt", dy, x, weight, square**-1.5)
    dx = np.einsum("btd,d,bt->btd", dy, weight, square**-0.5)
    dx += np.einsum("bt,btd->btd", dsquare, x) * 2 / x.shape[-1]
    return dx, np.einsum("btd,btd,bt->d", dy, x, square**-0.5)
