"""Wrong ways to write this exercise."""

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


def _wrong(
    writes=1.0,
    forgets=1.0,
    slope=lambda s, step: np.exp(s - step),
    of_rate=lambda rate, dg, step: -rate * (dg * step).sum(),
    found=0,
    back=lambda decay, dstate: decay * dstate,
    of_v=lambda step: step,
):
    """The pair with one step changed."""

    def backward(dy, cache):
        q, k, v, s, log_rate, step, decay, states = cache
        rate = np.exp(log_rate)
        dq, dk, dv, dg, dstep = (np.zeros(x.shape) for x in (q, k, v, s, s))
        dstate = np.zeros(states[0].shape)
        for t in reversed(range(len(q))):
            dstate = dstate + np.outer(q[t], dy[t])
            dq[t] = states[t + 1] @ dy[t]
            dk[t] = step[t] * (dstate @ v[t])
            dv[t] = of_v(step[t]) * (dstate.T @ k[t])
            dstep[t] = k[t] @ (dstate @ v[t])
            dg[t] = decay[t] * (states[t + found] * dstate).sum()
            dstate = back(decay[t], dstate)
        both = writes * dstep - forgets * rate * dg
        return dq, dk, dv, both * slope(s, step), of_rate(rate, dg, step)

    return {"mamba_forward": mamba_forward, "mamba_backward": backward}


MISTAKES = [
    ("the step has the gradient of what it writes alone; it also forgets", _wrong(forgets=0.0)),
    ("the step has the gradient of what it forgets alone; it also writes", _wrong(writes=0.0)),
    ("a longer step is taken to keep more; the exponent has a minus", _wrong(forgets=-1.0)),
    ("the slope of log(1 + exp(s)) is left out", _wrong(slope=lambda s, step: 1.0)),
    ("the slope of log(1 + exp(s)) is taken at -s", _wrong(slope=lambda s, step: np.exp(-step))),
    ("the decay's gradient has the state behind the position, and not the one that was multiplied",
     _wrong(found=1)),
    ("the state's gradient goes back without the decay", _wrong(back=lambda decay, ds: ds)),
    ("dlog_rate is the gradient of the rate; the rate's logarithm has one factor more",
     _wrong(of_rate=lambda rate, dg, step: -(dg * step).sum() + 0 * rate)),
    ("v is written without its step", _wrong(of_v=lambda step: 1.0)),
]  # fmt: skip
