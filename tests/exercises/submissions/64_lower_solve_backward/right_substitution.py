import numpy as np


def lower_solve_forward(a, r):
    """a (C, C), r (C, Hv) -> u (C, Hv), cache."""
    m = np.eye(len(a)) + np.tril(a, -1)
    u = np.linalg.solve(m, r)
    return u, (m, u)


def lower_solve_backward(du, cache):
    m, u = cache
    du = np.array(du)
    da = np.zeros(m.shape)
    for i in reversed(range(len(m))):  # u_i = r_i - sum_j a_ij u_j, the last one first
        for j in range(i):
            da[i, j] = -du[i] @ u[j]
            du[j] -= m[i, j] * du[i]
    return da, du
