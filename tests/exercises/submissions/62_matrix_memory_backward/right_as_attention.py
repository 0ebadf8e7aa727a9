import numpy as np


def linear_attention_forward(q, k, v, a):
    """q, k (T, H), v (T, Hv), a (T,) -> y (T, Hv), cache."""
    states = [np.zeros((q.shape[1], v.shape[1]))]
    y = np.zeros(v.shape)
    for t in range(len(q)):
        states.append(a[t] * states[t] + np.outer(k[t], v[t]))
        y[t] = states[t + 1].T @ q[t]
    return y, (q, k, v, a, states)


def linear_attention_backward(dy, cache):
    q, k, v, a, states = cache
    length = len(q)
    left = np.zeros((length, length))
    for t in range(length):
        for s in range(t + 1):
            left[t, s] = np.prod(a[s + 1 : t + 1])
    dp = (dy @ v.T) * left
    da = np.zeros(length)
    for t in range(length):
        ds = sum((left[s, t] * np.outer(q[s], dy[s]) for s in range(t, length)), 0 * states[0])
        da[t] = (states[t] * ds).sum()
    return dp @ k, dp.T @ q, ((q @ k.T) * left).T @ dy, da
