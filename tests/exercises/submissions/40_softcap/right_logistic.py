import numpy as np


def softcap_forward(x, cap):
    p = 1 / (1 + np.exp(-2 * x / cap))
    return cap * (2 * p - 1), p


def softcap_backward(dy, p):
    return 4 * dy * p * (1 - p)
