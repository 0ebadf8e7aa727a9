"""Wrong ways to write this exercise."""

import numpy as np


def linear_attention_forward(q, k, v, a):
    """q, k (T, H), v (T, Hv), a (T,) -> y (T, Hv), cache."""
    states = [np.zeros((q.shape[1], v.shape[1]))]
    y = np.zeros(v.shape)
    for t in range(len(q)):
        states.append(a[t] * states[t] + np.outer(k[t], v[t]))
        y[t] = states[t + 1].T @ q[t]
    return y, (q, k, v, a, states)


def _wrong(q_of="after", ds_of="ds", back=lambda a, ds: a * ds, da_of="before", order=reversed):
    """Reads other states: q_of and da_of "before" or "after"; ds_of "ds" or "later"."""

    def backward(dy, cache):
        q, k, v, a, states = cache
        dq, dk, dv, da = (np.zeros(x.shape) for x in (q, k, v, a))
        ds = np.zeros(states[0].shape)
        for t in order(range(len(q))):
            later, ds = ds, ds + np.outer(q[t], dy[t])
            used = {"ds": ds, "later": later}[ds_of]
            at = {"before": states[t], "after": states[t + 1]}
            dq[t] = at[q_of] @ dy[t]
            dk[t], dv[t] = used @ v[t], used.T @ k[t]
            da[t] = (at[da_of] * ds).sum()
            ds = back(a[t], ds)
        return dq, dk, dv, da

    return {
        "linear_attention_forward": linear_attention_forward,
        "linear_attention_backward": backward,
    }


MISTAKES = [
    ("dq reads the state before the position wrote to it", _wrong(q_of="before")),
    ("the position's own query is left out of what k and v get", _wrong(ds_of="later")),
    ("the state's gradient goes back without the factor a", _wrong(back=lambda a, ds: ds)),
    ("the state's gradient does not go back past a position",
     _wrong(back=lambda a, ds: 0 * ds)),
    ("da has the state after the position, and not the one that a multiplied",
     _wrong(da_of="after")),
    ("the backward walks from the first position to the last", _wrong(order=iter)),
]  # fmt: skip
