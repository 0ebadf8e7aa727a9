import numpy as np


def linear_attention_forward(q, k, v, a):
    """q, k (T, H), v (T, Hv), a (T,) -> y (T, Hv), cache."""
    states = [np.zeros((q.shape[1], v.shape[1]))]
    y = np.zeros(v.shape)
    for t in range(len(q)):
        states.append(a[t] * states[t] + np.outer(k[t], v[t]))
        y[t] = states[t + 1].T @ q[t]
    return y, (q, k, v, a, states)


def linear_attention_backward(dy, cache):
    q, k, v, a, states = cache
    later = np.append(a[1:], 0.0)[::-1]
    _, (*_, ds) = linear_attention_forward(k[::-1], q[::-1], dy[::-1], later)
    ds = np.array(ds[:0:-1]).reshape(len(q), q.shape[1], v.shape[1])
    states = np.array(states)
    dq = np.einsum("thv,tv->th", states[1:], dy)
    dk = np.einsum("thv,tv->th", ds, v)
    dv = np.einsum("thv,th->tv", ds, k)
    return dq, dk, dv, (states[:-1] * ds).sum((1, 2))
