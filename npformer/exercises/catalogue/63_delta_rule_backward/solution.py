"""Exercise 63: forget, look up, write the difference."""

import numpy as np


def delta_rule_forward(q, k, v, beta, a):
    """q, k (T, 4), v (T, Hv), beta, a (T,) -> y (T, Hv), cache."""
    states, w, y = [np.zeros((q.shape[1], v.shape[1]))], np.zeros(v.shape), np.zeros(v.shape)
    for t in range(len(q)):
        f = a[t] * states[t]
        w[t] = v[t] - f.T @ k[t]
        states.append(f + np.outer(k[t], beta[t] * w[t]))
        y[t] = states[t + 1].T @ q[t]
    return y, (q, k, beta, a, w, states)


def delta_rule_backward(dy, cache):
    """dy (T, Hv) -> dq, dk (T, 4), dv (T, Hv), dbeta, da (T,)."""
    q, k, beta, a, w, states = cache
    dq, dk, dv, dbeta, da = (np.zeros(x.shape) for x in (q, k, w, beta, a))
    ds = np.zeros(states[0].shape)
    for t in reversed(range(len(q))):
        f = a[t] * states[t]
        ds = ds + np.outer(q[t], dy[t])
        dq[t] = states[t + 1] @ dy[t]
        du = ds.T @ k[t]
        dbeta[t] = du @ w[t]
        dw = beta[t] * du
        dv[t] = dw
        # The key writes u, and before that it has read f.
        dk[t] = ds @ (beta[t] * w[t]) - f @ dw
        df = ds - np.outer(k[t], dw)
        da[t] = (states[t] * df).sum()
        ds = a[t] * df
    return dq, dk, dv, dbeta, da
