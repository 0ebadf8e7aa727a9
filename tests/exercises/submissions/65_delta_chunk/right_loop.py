import numpy as np


def delta_chunk(q, k, v, state):
    beta = 1 / (1 + (k * k).sum(1))
    state, y = np.array(state), np.zeros(v.shape)
    for i in range(len(q)):
        state = state + np.outer(k[i], beta[i] * (v[i] - state.T @ k[i]))
        y[i] = state.T @ q[i]
    return y, state
