import numpy as np


def causal_conv_forward(x, weight):
    y = np.zeros(x.shape)
    for t in range(x.shape[1]):
        for k in range(weight.shape[1]):
            s = t - weight.shape[1] + 1 + k
            if s >= 0:
                y[:, t] += weight[:, k] * x[:, s]
    return y, (x, weight)


def causal_conv_backward(dy, cache):
    x, weight = cache
    dx, dweight = np.zeros(x.shape), np.zeros(weight.shape)
    for t in range(x.shape[1]):
        for k in range(weight.shape[1]):
            s = t - weight.shape[1] + 1 + k
            if s >= 0:
                dx[:, s] += weight[:, k] * dy[:, t]
                dweight[:, k] += (dy[:, t] * x[:, s]).sum(0)
    return dx, dweight
