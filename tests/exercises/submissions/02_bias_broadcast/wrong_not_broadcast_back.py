# diagnosis: dx
import numpy as np


def affine_forward(x, gain, bias):
    y = x * gain + bias
    cache = (x, gain)
    return y, cache


def affine_backward(dy, cache):
    x, gain = cache
    dgain = (dy * x).sum(axis=(0, 2))[:, None]
    return dy * gain.sum(), dgain, dy.sum(axis=(0, 1))
