"""Exercise 62: a memory that is a sum.

    q, k (T, H)    v, y (T, Hv)    a (T,)    S (H, Hv)

The forward is given. Write linear_attention_backward, then:

    npformer exercise check matrix_memory_backward
    npformer exercise hint matrix_memory_backward
"""

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
    """dy (T, Hv) -> dq, dk (T, H), dv (T, Hv), da (T,)."""
    q, k, v, a, states = cache
    raise NotImplementedError("return dq, dk, dv, da")
