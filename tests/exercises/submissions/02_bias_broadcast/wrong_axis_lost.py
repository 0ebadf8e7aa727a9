# diagnosis: it must be (
import numpy as np


def affine_forward(x, gain, bias):
    y = x * gain + bias
    cache = (x, gain)
    return y, cache


def affine_backward(dy, cache):
    x, gain = cache
    return dy * gain, (dy * x).sum(axis=(0, 2)), dy.sum(axis=(0, 1))
