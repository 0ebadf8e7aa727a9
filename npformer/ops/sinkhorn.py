r"""Sinkhorn: a matrix of logits made doubly stochastic (Sinkhorn & Knopp, 1967).

Shapes      logits, y, l_s, p_s, dy, dlogits : (..., J, J)

Forward     In turn rows and columns are divided by their sums, ``iterations`` times, beginning with
            the rows. In logarithms, with l_0 = logits and s = 1, 2, ... 2 iterations,

                l_s = l_(s-1) - log sum exp(l_(s-1))     over a row if s is odd, else a column
                y   = exp(l_last)

            so that no sum overflows, and a column without a large entry is not 0 / 0.

Backward    First dl = dy * y, through the exponential. Each step is a log-softmax (log_softmax.py),
            whose slope needs p_s = exp(l_s), what it made. From the last to the first,

                dl = dl - p_s * sum(dl)                  over a row if s is odd, else a column

            and what is left is dlogits.

Reading     The last step was the columns': theirs sum to 1 to the last digit, and the rows nearly.
            The first was the rows': a number added to a row changes nothing, so every row of
            dlogits sums to 0. A number added to a column does change y, less with every iteration.

            Therefore a row's maximum m may be subtracted before the exponential and be taken for a
            constant: whatever gradient the exponentials get, dm = -sum of dlogits over the row = 0.
            It cancels for two reasons, and without either of them it does not. One is that the rows
            come first; with columns first, the maximum of a row has a gradient. The other is that
            the divisor is the sum and nothing else. With sum + eps, dm is of the order of eps:
            small, and not 0. One maximum of the whole matrix cancels in both orders.

            At convergence only y is needed: dlogits = y * (dy - a_i - b_j), where a and b are what
            makes all sums of dlogits 0, the solution of 2 J equations. That is the gradient of the
            limit. After few iterations it is another function's.

Chapter     walkthroughs/28_streams.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ConfigError, ShapeError
from npformer.ops.array import Array
from npformer.seam import op


class SinkhornCache(NamedTuple):
    p: Array  # (2 iterations, ..., J, J), what each step made


ROW, COLUMN = -1, -2


@op
def sinkhorn_forward(logits: Array, *, iterations: int = 20) -> tuple[Array, SinkhornCache]:
    """logits (..., J, J) -> y (..., J, J), cache; ``iterations`` pairs of rows and columns.

    Raises ``ShapeError`` for matrices that are not square, ``ConfigError`` for no iteration.
    """
    if logits.ndim < 2 or logits.shape[-1] != logits.shape[-2]:
        raise ShapeError(f"logits have the shape {logits.shape}; the last two axes must be equal")
    if iterations < 1:
        raise ConfigError(f"iterations is {iterations}; it must be at least 1")
    log = logits
    p = np.empty((2 * iterations, *logits.shape), logits.dtype)
    for s in range(len(p)):
        axis = COLUMN if s % 2 else ROW
        log = log - log.max(axis, keepdims=True, initial=-np.inf)
        log -= np.log(np.exp(log).sum(axis, keepdims=True))
        np.exp(log, out=p[s])
    return p[-1].copy(), SinkhornCache(p)


@op
def sinkhorn_backward(dy: Array, cache: SinkhornCache) -> Array:
    """dy (..., J, J) -> dlogits (..., J, J)."""
    dl = dy * cache.p[-1]
    for s in reversed(range(len(cache.p))):
        dl = dl - cache.p[s] * dl.sum(COLUMN if s % 2 else ROW, keepdims=True)
    return dl
