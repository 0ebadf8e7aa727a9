r"""z-loss: the squared log of the softmax's denominator (Chowdhery et al., 2022, arXiv:2204.02311).

Shapes      logits, dlogits : (..., V)    counts : bool (...)    loss : ()
            exps : (R, V)    total, log_total : (R,)                      R rows in all

Forward     For one row of logits x, as in log_softmax.py,

                z         = x - max(x)
                exps      = exp(z)
                total     = sum_c exps_c
                log_total = max(x) + log(total)        the log of the sum of exp(x)

            and over the rows that count

                loss = sum of log_total^2

Backward    dlog_total/dx_j = p_j with p = exps / total, so by the chain rule

                dlogits_j = dloss * 2 log_total * p_j      0 in a row that does not count

Reading     A softmax does not change when all logits of a row do by the same number, so
            cross-entropy leaves it free, and over a long training it wanders. This holds it near
            0: it is added to cross-entropy with a factor of about 1e-4. Cross-entropy's gradient
            of a row sums to 0; this one sums to 2 log_total dloss, and is the only part that moves
            the row as a whole.

            It is a sum, as a batch that is cut in two must give the same: who wants a mean divides
            by the rows of all parts together.

Chapter     walkthroughs/20_loss_without_logits.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array, rows
from npformer.ops.checks import check_mask
from npformer.seam import op


class ZLossCache(NamedTuple):
    exps: Array  # (R, V)
    total: Array  # (R,)
    log_total: Array  # (R,), 0 where a row does not count
    shape: tuple[int, ...]  # of logits


@op
def z_loss_forward(logits: Array, *, counts: Array | None = None) -> tuple[Array, ZLossCache]:
    """logits (..., V) -> loss (), cache; every row counts unless ``counts`` (...) says otherwise.

    Raises ``ShapeError`` for counts that are not booleans of shape (...).
    """
    if counts is not None:
        check_mask(counts)
        if counts.shape != logits.shape[:-1]:
            raise ShapeError(f"counts {counts.shape} do not fit logits {logits.shape}")
    x = rows(logits)
    top = x.max(axis=-1, keepdims=True, initial=-np.inf)  # (R, 1)
    exps = np.exp(x - top)  # (R, V)
    total = exps.sum(axis=-1)
    log_total = top[:, 0] + np.log(total)
    if counts is not None:
        log_total = np.where(counts.reshape(-1), log_total, 0)
    return np.asarray(np.vdot(log_total, log_total)), ZLossCache(
        exps, total, log_total, logits.shape
    )


@op
def z_loss_backward(dloss: Array, cache: ZLossCache) -> Array:
    """dloss () -> dlogits (..., V)."""
    exps, total, log_total, shape = cache
    factor = dloss * 2 * log_total / total  # (R,)
    dlogits = exps * factor[:, None]
    dlogits[log_total == 0] = 0  # whatever exps holds there
    return dlogits.reshape(shape)
