import numpy as np


def affine_forward(x, gain, bias):
    y = x * gain + bias
    cache = (x, gain)
    return y, cache


def affine_backward(dy, cache):
    x, gain = cache
    dgain, dbias = np.zeros(gain.shape), np.zeros(x.shape[-1])
    for b in range(len(x)):
        for t in range(len(gain)):
            dgain[t, 0] += dy[b, t] @ x[b, t]
            dbias += dy[b, t]
    return dy * gain, dgain, dbias
