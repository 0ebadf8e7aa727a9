# diagnosis: averaged where they should be summed
import numpy as np


def affine_forward(x, gain, bias):
    y = x * gain + bias
    cache = (x, gain)
    return y, cache


def affine_backward(dy, cache):
    x, gain = cache
    dgain = (dy * x).mean(axis=(0, 2))[:, None]
    return dy * gain, dgain, dy.mean(axis=(0, 1))
