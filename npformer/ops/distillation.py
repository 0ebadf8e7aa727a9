r"""Distillation: the divergence of a student from its teacher (Hinton, Vinyals & Dean, 2015).

Shapes      logits, teacher, dlogits : (..., V)    p, q : (R, V)
            loss : () for "mean" and "sum", (...) for "none"

Forward     Both distributions are flattened by a temperature T,

                q = softmax(teacher / T)        p = softmax(logits / T)

            and the student is charged for where it differs,

                loss = T^2 KL(q, p) = T^2 sum_c q_c (log q_c - log p_c)

            "mean" divides by the number of rows, not by that of the classes too.

Backward    log q does not depend on the student, and -sum_c q_c dlog p_c/dx_j = p_j - q_j for its
            divided logits x = logits / T, as for any cross-entropy whose targets add up to 1. Let
            d be what reaches the loss of the row, divided as the mean was. With 1 / T from x,

                dlogits = d T (p - q)

            The teacher is given, and has no gradient.

Reading     Why T^2? For large T, p - q is about (logits - teacher) / (V T) once both rows are
            centred, so that T (p - q) tends to (logits - teacher) / V: it does not depend on T.
            Without the factor the gradient shrinks as 1 / T^2, and another temperature is another
            weight of this loss beside others.

            The order matters. KL(q, p) is large where the teacher sees something and the student
            does not, so the student covers all that the teacher does; KL(p, q) has it choose.
            A mean over classes too (what "mean" is to PyTorch's kl_div) is V times smaller.

Chapter     walkthroughs/20_loss_without_logits.md
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from npformer.errors import ConfigError, ShapeError
from npformer.ops.array import Array, rows
from npformer.ops.checks import check_choice
from npformer.seam import op

Reduction = Literal["mean", "sum", "none"]


class DistillationCache(NamedTuple):
    p: Array  # (R, V) of the student
    q: Array  # (R, V) of the teacher
    temperature: float
    divisor: int  # 1 but for "mean"
    shape: tuple[int, ...]  # of logits


@op
def distillation_forward(
    logits: Array,
    teacher: Array,
    *,
    temperature: float = 1.0,
    reduction: Reduction = "mean",
) -> tuple[Array, DistillationCache]:
    """logits (..., V), teacher (..., V) -> loss () or (...), cache.

    Raises ``ShapeError`` for a teacher of another shape, ``ConfigError`` for another reduction or a
    temperature that is not above 0.
    """
    check_choice("reduction", reduction, get_args(Reduction))
    if not temperature > 0:
        raise ConfigError(f"temperature is {temperature}; it must be above 0")
    if teacher.shape != logits.shape:
        raise ShapeError(f"teacher {teacher.shape} does not fit logits {logits.shape}")
    given = teacher.astype(logits.dtype, copy=False)  # teachers often come in another precision
    logp, logq = (_log_softmax(rows(a) / temperature) for a in (logits, given))
    p, q = np.exp(logp), np.exp(logq)
    losses = temperature**2 * np.where(q == 0, 0, q * (logq - logp)).sum(axis=-1)
    divisor = max(len(p), 1) if reduction == "mean" else 1
    loss = losses.reshape(logits.shape[:-1]) if reduction == "none" else losses.sum() / divisor
    return np.asarray(loss), DistillationCache(p, q, temperature, divisor, logits.shape)


@op
def distillation_backward(dloss: Array, cache: DistillationCache) -> Array:
    """dloss () or (...) -> dlogits (..., V)."""
    p, q, temperature, divisor, shape = cache
    d = np.asarray(dloss, p.dtype).reshape(-1, 1) / divisor  # (R, 1), or (1, 1)
    return (d * temperature * (p - q)).reshape(shape)


def _log_softmax(x: Array) -> Array:
    z = x - x.max(axis=-1, keepdims=True, initial=-np.inf)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
