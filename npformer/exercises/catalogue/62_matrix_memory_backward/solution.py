"""Exercise 62: a memory that is a sum."""

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
    """dy (T, Hv) -> dq, dk (T, H), dv (T, Hv), da (T,)."""
    q, k, v, a, states = cache
    dq, dk, dv, da = (np.zeros(x.shape) for x in (q, k, v, a))
    ds = np.zeros(states[0].shape)
    for t in reversed(range(len(q))):
        # S_t is read by y_t, and what ds holds has come back from S_(t+1).
        ds = ds + np.outer(q[t], dy[t])
        dq[t] = states[t + 1] @ dy[t]
        dk[t] = ds @ v[t]
        dv[t] = ds.T @ k[t]
        da[t] = (states[t] * ds).sum()
        ds = a[t] * ds
    return dq, dk, dv, da
