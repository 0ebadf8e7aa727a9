"""Wrong ways to write this exercise."""

import numpy as np

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def _wrong(coefficients=COEFFICIENTS, steps=5, norm=np.linalg.norm, polynomial=None):
    """The iteration with other coefficients, steps, a norm, or polynomial(x, gram, a, b, c)."""

    def newton_schulz(g):
        x = g / max(norm(g), 1e-7)
        for _ in range(steps):
            x = (polynomial or _right)(x, x @ x.T, *coefficients)
        return x

    return {"newton_schulz": newton_schulz}


def _right(x, gram, a, b, c):
    return a * x + (b * gram + c * gram @ gram) @ x


def _exact(g):
    u, _, vt = np.linalg.svd(g, full_matrices=False)
    return u @ vt


MISTAKES = [
    ("A A is taken entry by entry; it is a product of matrices",
     _wrong(polynomial=lambda x, A, a, b, c: a * x + (b * A + c * A * A) @ x)),
    ("the last term lacks one factor A: it is c A X, of third power",
     _wrong(polynomial=lambda x, A, a, b, c: a * x + (b * A + c * A) @ x)),
    ("the powers are of the entries, not of the singular values",
     _wrong(polynomial=lambda x, A, a, b, c: a * x + b * x**3 + c * x**5)),
    ("b and c have changed places", _wrong(coefficients=(3.4445, 2.0315, -4.7750))),
    ("the sign of b is lost", _wrong(coefficients=(3.4445, 4.7750, 2.0315))),
    ("one step is missing: there are four", _wrong(steps=4)),
    ("there is one step too many: six", _wrong(steps=6)),
    ("g is divided by its largest singular value, not by its Frobenius norm",
     _wrong(norm=lambda g: np.linalg.norm(g, 2))),
    ("g is divided by its largest entry, not by its Frobenius norm",
     _wrong(norm=lambda g: np.abs(g).max(initial=0.0))),
    ("the result is U V^T itself, as from a decomposition; five steps come only near it",
     {"newton_schulz": _exact}),
]  # fmt: skip
