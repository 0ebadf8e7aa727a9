import numpy as np


def delta_chunk(q, k, v, state):
    beta = 1 / (1 + (k * k).sum(1))
    y = []
    for i in range(len(q)):
        state = (np.eye(len(k[i])) - beta[i] * np.outer(k[i], k[i])) @ state
        state = state + beta[i] * np.outer(k[i], v[i])
        y.append(q[i] @ state)
    return np.array(y), state
