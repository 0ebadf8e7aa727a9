"""Wrong ways to write this exercise."""

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


def _wrong(reads=-1.0, writes=1.0, erased=1.0, value=None, error=True, decays=True):
    """Factors of the three terms of the key, and what dv, dbeta and the decay are made of."""

    def backward(dy, cache):
        q, k, beta, a, w, states = cache
        dq, dk, dv, dbeta, da = (np.zeros(x.shape) for x in (q, k, w, beta, a))
        ds = np.zeros(states[0].shape)
        for t in reversed(range(len(q))):
            f = a[t] * states[t]
            ds = ds + np.outer(q[t], dy[t])
            dq[t] = states[t + 1] @ dy[t]
            du = ds.T @ k[t]
            dw = beta[t] * du
            dbeta[t] = du @ (w[t] if error else w[t] + f.T @ k[t])
            dv[t] = du if value else dw
            dk[t] = writes * ds @ (beta[t] * w[t]) + reads * f @ dw
            df = ds - erased * np.outer(k[t], dw)
            da[t] = (states[t] * df).sum()
            ds = a[t] * df if decays else df
        return dq, dk, dv, dbeta, da

    return {"delta_rule_forward": delta_rule_forward, "delta_rule_backward": backward}


MISTAKES = [
    ("dk lacks what the key has read: it is used twice", _wrong(reads=0.0)),
    ("dk lacks what the key has written", _wrong(writes=0.0)),
    ("what the key has read is subtracted from v, so its term has a minus", _wrong(reads=1.0)),
    ("what the key has overwritten still sends a gradient back", _wrong(erased=0.0)),
    ("dv lacks beta", _wrong(value=True)),
    ("dbeta has the value where the error belongs", _wrong(error=False)),
    ("the state's gradient goes back without the factor a", _wrong(decays=False)),
]  # fmt: skip
