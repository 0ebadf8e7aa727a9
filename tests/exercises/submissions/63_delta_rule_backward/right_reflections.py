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
    q, k, beta, a, w, states = cache
    dq, dk, dv, dbeta, da = (np.zeros(x.shape) for x in (q, k, w, beta, a))
    ds = np.zeros(states[0].shape)
    for t in range(len(q) - 1, -1, -1):
        ds = ds + q[t][:, None] * dy[t]
        dq[t] = states[t + 1] @ dy[t]
        dbeta[t] = k[t] @ ds @ w[t]
        dv[t] = beta[t] * k[t] @ ds
        dk[t] = beta[t] * (ds @ w[t] - a[t] * states[t] @ (ds.T @ k[t]))
        ds = (np.eye(len(k[t])) - beta[t] * np.outer(k[t], k[t])) @ ds
        da[t] = np.vdot(states[t], ds)
        ds = a[t] * ds
    return dq, dk, dv, dbeta, da
