import numpy as np


def causal_conv_forward(x, weight):
    width = weight.shape[1]
    padded = np.pad(x, ((0, 0), (width - 1, 0), (0, 0)))
    y = sum(weight[:, k] * padded[:, k : k + x.shape[1]] for k in range(width))
    return y, (padded, weight)


def causal_conv_backward(dy, cache):
    padded, weight = cache
    width, length = weight.shape[1], dy.shape[1]
    dpadded = np.zeros(padded.shape)
    for k in range(width):
        dpadded[:, k : k + length] += weight[:, k] * dy
    parts = [(dy * padded[:, k : k + length]).sum((0, 1)) for k in range(width)]
    return dpadded[:, width - 1 :], np.stack(parts, axis=1)
