import numpy as np

from npformer.ops.normal import normal_cdf, normal_pdf


def relu_forward(x):
    return np.where(x > 0, x, 0.0), x


def relu_backward(dy, x):
    dx = dy.copy()
    dx[x <= 0] = 0
    return dx


def gelu_forward(x):
    gate = normal_cdf(x)
    return x * gate, (x, gate, normal_pdf(x))


def gelu_backward(dy, cache):
    x, gate, density = cache
    return dy * gate + dy * x * density
