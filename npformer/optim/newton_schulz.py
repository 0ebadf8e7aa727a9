"""The nearest orthogonal matrix by products alone: Newton-Schulz, tuned as by Jordan et al., 2024.

Chapter     walkthroughs/23_steps_that_are_matrices.md
"""

from __future__ import annotations

import numpy as np

from npformer.nn.module import Array
from npformer.seam import op

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5
LEAST_NORM = 1e-7


@op
def newton_schulz(g: Array, steps: int = STEPS) -> Array:
    r"""g (O, I) -> about U V^T (O, I), where g = U S V^T is its singular value decomposition.

    U V^T is g with all its singular values made 1: of all matrices that move an output by no more
    than 1 for an input of size 1, the one that lies most along g. A decomposition would give it
    exactly; an odd polynomial does it with products alone. For X = U S V^T

        X X^T X = U S V^T V S U^T U S V^T = U S^3 V^T

    and so (X X^T)^k X = U S^(2k+1) V^T: a polynomial of odd powers acts on each singular value by
    itself, and leaves U and V alone. One step is

        A = X X^T          X = a X + (b A + c A^2) X          s -> a s + b s^3 + c s^5

    Divided by its Frobenius norm, which is at least its largest singular value, g starts with all
    of them in [0, 1]. The coefficients are not those that converge (15/8, -10/8, 3/8). They rise as
    steeply as may be at 0, by 3.4445 a step, and do not settle: after five steps, singular values
    that were above 0.01 or so lie between 0.68 and 1.14, and that is near enough.

    A tall matrix is turned, so that A is the smaller of its two products. The products are made
    in g's dtype; PyTorch's and the authors' are in bfloat16 whatever g is, which the method bears.
    A norm below 1e-7 is taken for 1e-7.
    """
    a, b, c = COEFFICIENTS
    tall = g.shape[0] > g.shape[1]
    x = np.array(g.T if tall else g)
    norm = np.sqrt(np.square(x, dtype=np.promote_types(x.dtype, np.float64)).sum())
    x /= np.maximum(norm, LEAST_NORM).astype(x.dtype)
    for _ in range(steps):
        gram = x @ x.T  # (min(O, I), min(O, I))
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if tall else x
