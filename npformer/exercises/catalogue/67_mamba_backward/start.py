"""Exercise 67: a step of time, used twice.

    q, k (T, H)    v, y (T, Hv)    s, step, decay (T,)    log_rate (1,)    S (H, Hv)

The forward is given. Write mamba_backward, then:

    npformer exercise check mamba_backward
    npformer exercise hint mamba_backward
"""

import numpy as np


def mamba_forward(q, k, v, s, log_rate):
    """q, k (T, H), v (T, Hv), s (T,), log_rate (1,) -> y (T, Hv), cache."""
    step = np.logaddexp(0, s)  # log(1 + exp(s)), how long a token lasts
    decay = np.exp(-np.exp(log_rate) * step)
    states = [np.zeros((q.shape[1], v.shape[1]))]
    y = np.zeros(v.shape)
    for t in range(len(q)):
        states.append(decay[t] * states[t] + step[t] * np.outer(k[t], v[t]))
        y[t] = states[t + 1].T @ q[t]
    return y, (q, k, v, s, log_rate, step, decay, states)


def mamba_backward(dy, cache):
    """dy (T, Hv) -> dq, dk (T, H), dv (T, Hv), ds (T,), dlog_rate (1,)."""
    q, k, v, s, log_rate, step, decay, states = cache
    raise NotImplementedError("return dq, dk, dv, ds, dlog_rate")
