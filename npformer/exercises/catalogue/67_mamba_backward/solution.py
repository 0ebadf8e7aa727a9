"""Exercise 67: a step of time, used twice."""

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
    rate = np.exp(log_rate)
    dq, dk, dv, dg, dstep = (np.zeros(x.shape) for x in (q, k, v, s, s))
    dstate = np.zeros(states[0].shape)
    for t in reversed(range(len(q))):
        dstate = dstate + np.outer(q[t], dy[t])
        dq[t] = states[t + 1] @ dy[t]
        read = dstate @ v[t]
        dk[t], dv[t] = step[t] * read, step[t] * (dstate.T @ k[t])
        dstep[t] = k[t] @ read
        dg[t] = decay[t] * (states[t] * dstate).sum()
        dstate = decay[t] * dstate
    # The step writes, and it forgets: each way has a gradient.
    dstep = dstep - rate * dg
    dlog_rate = -rate * (dg * step).sum()
    return dq, dk, dv, dstep * np.exp(s - step), dlog_rate
