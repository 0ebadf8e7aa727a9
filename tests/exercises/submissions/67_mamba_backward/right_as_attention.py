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
    length = len(q)
    g = -np.exp(log_rate) * step
    left = np.zeros((length, length))
    for t in range(length):
        for j in range(t + 1):
            left[t, j] = np.exp(g[j + 1 : t + 1].sum())
    scores = (q @ k.T) * left
    dscores = dy @ (step[:, None] * v).T
    pairs = dscores * scores
    dg = np.zeros(length)
    for at in range(length):
        dg[at] = pairs[at:, :at].sum()
    written = scores.T @ dy
    dstep = (written * v).sum(axis=1) - np.exp(log_rate) * dg
    weighed = dscores * left
    ds = dstep / (1 + np.exp(-s))
    return weighed @ k, weighed.T @ q, step[:, None] * written, ds, np.array([(dg * g).sum()])
