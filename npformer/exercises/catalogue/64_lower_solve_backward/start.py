"""Exercise 64: the backward of a solution.

    a, da (C, C)    r, u, dr, du (C, Hv)

The forward is given. Write lower_solve_backward, then:

    npformer exercise check lower_solve_backward
    npformer exercise hint lower_solve_backward
"""

import numpy as np


def lower_solve_forward(a, r):
    """a (C, C), r (C, Hv) -> u (C, Hv), cache."""
    m = np.eye(len(a)) + np.tril(a, -1)
    u = np.linalg.solve(m, r)
    return u, (m, u)


def lower_solve_backward(du, cache):
    """du (C, Hv) -> da (C, C), dr (C, Hv)."""
    m, u = cache
    raise NotImplementedError("return da, dr")
