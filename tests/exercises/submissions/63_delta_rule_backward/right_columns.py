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
    for c in range(w.shape[1]):  # the columns of S know nothing of each other
        ds = np.zeros(q.shape[1])
        for t in reversed(range(len(q))):
            before, after = states[t][:, c], states[t + 1][:, c]
            ds = ds + q[t] * dy[t, c]
            dq[t] += after * dy[t, c]
            du = ds @ k[t]
            dbeta[t] += du * w[t, c]
            dv[t, c] = beta[t] * du
            dk[t] += ds * beta[t] * w[t, c] - a[t] * before * dv[t, c]
            ds = ds - k[t] * dv[t, c]
            da[t] += before @ ds
            ds = a[t] * ds
    return dq, dk, dv, dbeta, da
