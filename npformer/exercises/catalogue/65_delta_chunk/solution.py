"""Exercise 65: all positions at once."""

import numpy as np


def delta_chunk(q, k, v, state):
    """q, k (T, 4), v (T, Hv), state (4, Hv) -> y (T, Hv), the state behind (4, Hv)."""
    beta = 1 / (1 + (k * k).sum(axis=1))
    a = np.tril(k @ k.T, -1)
    m = np.eye(len(k)) + beta[:, None] * a
    u = np.linalg.solve(m, beta[:, None] * (v - k @ state))
    # Given u, it is linear attention with u for the values.
    return q @ state + np.tril(q @ k.T) @ u, state + k.T @ u
