import numpy as np


def gated_forward(x, gate_weight, up_weight, down_weight):
    flat = x.reshape(-1, x.shape[-1])
    gate, up = flat @ gate_weight.T, flat @ up_weight.T
    s = 1 / (1 + np.exp(-gate))
    y = (gate * s * up) @ down_weight.T
    return y.reshape(x.shape), (x.shape, flat, gate_weight, up_weight, down_weight, gate, up, s)


def gated_backward(dy, cache):
    shape, flat, gate_weight, up_weight, down_weight, gate, up, s = cache
    dy = dy.reshape(flat.shape)
    dh = dy @ down_weight
    halves = np.concatenate([dh * up * s * (1 + gate * (1 - s)), dh * gate * s], axis=1)  # (R, 2F)
    fused = np.concatenate([gate_weight, up_weight])  # (2F, D)
    dfused = halves.T @ flat
    f = len(gate_weight)
    return (halves @ fused).reshape(shape), dfused[:f], dfused[f:], dy.T @ (gate * s * up)
