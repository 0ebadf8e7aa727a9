r"""Cross-entropy against distributions, in place of one right class.

Shapes      logits, targets, dlogits, dtargets : (..., V)    logp : (R, V)    mass : (R, 1)
            loss : () for "mean" and "sum", (...) for "none"

Forward     logp = log softmax(logits)                 (see log_softmax.py)
            loss = -sum_c targets_c logp_c

            A row of targets need not add up to 1: mixtures and weights go in as they are. "mean"
            divides by the number of rows, R, as PyTorch's cross_entropy does (its kl_div: by R V).

Backward    Let d be what reaches the loss of the row from above, divided as the mean was. The loss
            is linear in the targets, and dlogp_c/dlogits_j = delta_cj - p_j, so with p = exp(logp)
            and mass = sum_c targets_c

                dlogits  = d (mass p - targets)
                dtargets = -d logp

Reading     Where the targets are the model's own p, dlogits vanishes: no gradient is left when the
            two agree, though the loss is not 0 but the entropy. (What distillation subtracts of it
            does not depend on the logits.) It is ``mass p``, and not p, that the target is taken
            from; the mistake hides as long as every row adds up to 1.

            A target of 0 costs nothing, even where its class is ruled out by a logit of -inf.

Chapter     walkthroughs/20_loss_without_logits.md
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array, rows
from npformer.ops.checks import check_choice
from npformer.seam import op

Reduction = Literal["mean", "sum", "none"]


class SoftCrossEntropyCache(NamedTuple):
    logp: Array  # (R, V)
    targets: Array  # (R, V)
    divisor: int  # 1 but for "mean"
    shape: tuple[int, ...]  # of logits


@op
def soft_cross_entropy_forward(
    logits: Array, targets: Array, *, reduction: Reduction = "mean"
) -> tuple[Array, SoftCrossEntropyCache]:
    """logits (..., V), targets (..., V) -> loss () or (...), cache.

    Raises ``ShapeError`` for targets of another shape, ``ConfigError`` for another reduction.
    """
    check_choice("reduction", reduction, get_args(Reduction))
    if targets.shape != logits.shape:
        raise ShapeError(f"targets {targets.shape} do not fit logits {logits.shape}")
    x, q = rows(logits), rows(targets)
    logp = x - x.max(axis=-1, keepdims=True, initial=-np.inf)
    logp -= np.log(np.exp(logp).sum(axis=-1, keepdims=True))
    losses = -np.where(q == 0, 0, q * logp).sum(axis=-1)
    divisor = max(len(x), 1) if reduction == "mean" else 1
    loss = losses.reshape(logits.shape[:-1]) if reduction == "none" else losses.sum() / divisor
    return np.asarray(loss), SoftCrossEntropyCache(logp, q, divisor, logits.shape)


@op
def soft_cross_entropy_backward(dloss: Array, cache: SoftCrossEntropyCache) -> tuple[Array, Array]:
    """dloss () or (...) -> dlogits (..., V), dtargets (..., V)."""
    logp, targets, divisor, shape = cache
    d = np.asarray(dloss, logp.dtype).reshape(-1, 1) / divisor  # (R, 1), or (1, 1)
    mass = targets.sum(axis=-1, keepdims=True)
    dlogits = d * (mass * np.exp(logp) - targets)
    dtargets = -d * logp
    return dlogits.reshape(shape), dtargets.reshape(shape)
