import numpy as np


def swiglu_clamped_forward(gate, up, alpha=1.702, limit=7.0):
    inside = gate <= limit, (up >= -limit) & (up <= limit)
    g = np.where(inside[0], gate, limit)
    u = np.where(inside[1], up, np.sign(up) * limit)
    s = 1 / (1 + np.exp(-alpha * g))
    return g * s * (1 + u), (g, u, s, alpha, inside)


def swiglu_clamped_backward(dy, cache):
    g, u, s, alpha, inside = cache
    slope = s * (1 + alpha * g * (1 - s))
    return dy * (1 + u) * slope * inside[0], dy * g * s * inside[1]
