"""Wrong ways to write this exercise."""

import numpy as np


def lower_solve_forward(a, r):
    """a (C, C), r (C, Hv) -> u (C, Hv), cache."""
    m = np.eye(len(a)) + np.tril(a, -1)
    u = np.linalg.solve(m, r)
    return u, (m, u)


def _wrong(da=lambda dr, u, r: np.tril(-dr @ u.T, -1), dr=lambda m, du: np.linalg.solve(m.T, du)):
    """da(dr, u, r) and dr(m, du)."""

    def backward(du, cache):
        m, u = cache
        found = dr(m, du)
        return da(found, u, m @ u), found

    return {"lower_solve_forward": lower_solve_forward, "lower_solve_backward": backward}


MISTAKES = [
    ("the equations are not transposed", _wrong(dr=np.linalg.solve)),
    ("du is multiplied by the matrix, not by its inverse", _wrong(dr=lambda m, du: m.T @ du)),
    ("the sign of da is lost: the inverse falls where the matrix grows",
     _wrong(da=lambda dr, u, r: np.tril(dr @ u.T, -1))),
    ("da is not cut off: it is read below the diagonal alone",
     _wrong(da=lambda dr, u, r: -dr @ u.T)),
    ("da has the diagonal, which a does not give", _wrong(da=lambda dr, u, r: np.tril(-dr @ u.T))),
    ("da has the right-hand side where the solution belongs",
     _wrong(da=lambda dr, u, r: np.tril(-dr @ r.T, -1))),
    ("da is transposed: the row is the equation, the column the unknown",
     _wrong(da=lambda dr, u, r: np.tril(-u @ dr.T, -1))),
]  # fmt: skip
