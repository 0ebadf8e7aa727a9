import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gated_forward(x, gate_weight, up_weight, down_weight):
    gate, up = x @ gate_weight.T, x @ up_weight.T
    return (gate * sigmoid(gate) * up) @ down_weight.T, (x, gate_weight, up_weight, down_weight)


def gated_backward(dy, cache):
    x, gate_weight, up_weight, down_weight = cache
    dx = np.zeros(x.shape)
    dgate_weight, dup_weight = np.zeros(gate_weight.shape), np.zeros(up_weight.shape)
    ddown_weight = np.zeros(down_weight.shape)
    for b, t in np.ndindex(x.shape[:2]):
        row, upstream = x[b, t], dy[b, t]
        for f in range(len(gate_weight)):
            gate, up = gate_weight[f] @ row, up_weight[f] @ row
            s = sigmoid(gate)
            dh = upstream @ down_weight[:, f]
            dgate, dup = dh * up * (s + gate * s * (1 - s)), dh * gate * s
            ddown_weight[:, f] += upstream * gate * s * up
            dgate_weight[f] += dgate * row
            dup_weight[f] += dup * row
            dx[b, t] += dgate * gate_weight[f] + dup * up_weight[f]
    return dx, dgate_weight, dup_weight, ddown_weight
