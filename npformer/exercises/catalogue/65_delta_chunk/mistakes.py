"""Wrong ways to write this exercise."""

import numpy as np


def _wrong(below=-1, of_queries=0, by=None, right=None, first=True, solves=True):
    """Other triangles of A and of the scores, beta on another side, other right-hand sides."""

    def delta_chunk(q, k, v, state):
        beta = 1 / (1 + (k * k).sum(axis=1))
        b = beta[:, None]
        a = np.tril(k @ k.T, below)
        m = np.eye(len(k)) + (a * beta if by == "columns" else a if by == "none" else b * a)
        r = v if right == "values" else v - k @ state
        r = r if right == "no beta" else b * r
        u = np.linalg.solve(m, r) if solves else r - b * a @ r
        y = np.tril(q @ k.T, of_queries) @ u
        return y + q @ state if first else y, state + k.T @ u

    return {"delta_chunk": delta_chunk}


MISTAKES = [
    ("a position looks up what it is about to write itself", _wrong(below=0)),
    ("y does not read what its own position wrote", _wrong(of_queries=-1)),
    ("beta multiplies the unknowns, not the equations", _wrong(by="columns")),
    ("the matrix lacks beta", _wrong(by="none")),
    ("the error is that of the value alone: what the state has is not looked up",
     _wrong(right="values")),
    ("the right-hand side lacks beta", _wrong(right="no beta")),
    ("y lacks what the first state holds", _wrong(first=False)),
    ("the equations are solved by one step of a series, which has more", _wrong(solves=False)),
]  # fmt: skip
