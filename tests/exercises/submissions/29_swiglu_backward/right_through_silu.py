import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def swiglu_forward(gate, up):
    return gate * sigmoid(gate) * up, {"gate": gate, "up": up}


def swiglu_backward(dy, cache):
    gate, up = cache["gate"], cache["up"]
    silu = gate * sigmoid(gate)
    slope = sigmoid(gate) * (1 + gate * sigmoid(-gate))
    return dy * up * slope, dy * silu
