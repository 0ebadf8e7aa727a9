"""Exercise 63: forget, look up, write the difference.

    q, k (T, 4)    v, w, y (T, Hv)    beta, a (T,)    S (4, Hv)

The forward is given. Write delta_rule_backward, then:

    npformer exercise check delta_rule_backward
    npformer exercise hint delta_rule_backward
"""

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
    raise NotImplementedError("return dq, dk, dv, dbeta, da")
