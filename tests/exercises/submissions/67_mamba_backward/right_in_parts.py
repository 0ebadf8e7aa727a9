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
    q, k, v, s, log_rate, step, decay, states = cache
    w = step[:, None] * v
    dq, dk, dw, ddecay = (np.zeros(x.shape) for x in (q, k, w, s))
    later = np.zeros(states[0].shape)
    for t in range(len(q))[::-1]:
        here = later + q[t][:, None] * dy[t]
        dq[t], dk[t], dw[t] = states[t + 1] @ dy[t], here @ w[t], k[t] @ here
        ddecay[t] = np.vdot(states[t], here)
        later = decay[t] * here
    dg = ddecay * decay
    dstep = (dw * v).sum(1) - dg * np.exp(log_rate)
    ds = dstep * (1 - np.exp(-step))
    return dq, dk, step[:, None] * dw, ds, -(dg @ step) * np.exp(log_rate)
