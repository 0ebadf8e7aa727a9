import numpy as np


def lower_solve_forward(a, r):
    """a (C, C), r (C, Hv) -> u (C, Hv), cache."""
    m = np.eye(len(a)) + np.tril(a, -1)
    u = np.linalg.solve(m, r)
    return u, (m, u)


def lower_solve_backward(du, cache):
    m, u = cache
    inverse = np.linalg.inv(m)
    dm = -inverse.T @ du @ u.T
    return dm * (np.arange(len(m))[:, None] > np.arange(len(m))), inverse.T @ du
