r"""Cross-entropy of logits against target classes, with label smoothing (Szegedy et al., 2016).

Shapes      logits, dlogits : (..., V)    targets : (...) integers    weight : (V,)
            loss : () for "mean" and "sum", (...) for "none"          R rows in all

Forward     For one row of logits x with target t, and weight w,

                z     = x - max(x)
                exps  = exp(z)
                total = sum_c exps_c
                logp  = z - log(total)

            and with a = (1 - label_smoothing) w_t for the target and
            s_c = w_c label_smoothing / V for every class, the target included,

                loss = -a logp_t - sum_c s_c logp_c

            A row whose target is ignore_index has loss 0. "mean" divides the sum of the rows
            by the sum of w_t over the rows that count, as PyTorch does.

Backward    dlogp_c/dx_j = delta_cj - p_j with p = exps / total (see log_softmax.py), so

                dloss/dx_j = -a (delta_tj - p_j) - sum_c s_c (delta_cj - p_j)
                           = p_j (a + sum(s)) - s_j - a delta_tj

            Let d be what reaches the loss of the row from above: dloss, divided as the mean
            was, and 0 where the row is ignored. Then

                dlogits    = exps * (d (a + sum(s)) / total) - d s
                dlogits_t -= d a

Reading     Without smoothing and weights this is p - onehot: what the model believes less what
            was so. A row's gradient sums to zero, and vanishes when p is the smoothed target.
            exps is all that is kept of the logits' size, and dlogits all that the backward makes.

            The edges are those of PyTorch's cross_entropy (a row with +inf is NaN, a target
            whose logit is -inf costs inf) but for these, where PyTorch's are NaN:

            - The mean over no row is 0. So is the mean over rows whose targets all have weight
              0, and its gradient, also with label smoothing: to divide what smoothing charges
              such rows by another number, 1 say, would make a sum of it, and by their weight
              inf. "sum" and "none" do charge it, as PyTorch's do.
            - An ignored row gets gradient 0, whatever its logits hold.
            - A class of weight 0 costs nothing, even if its logit is -inf.

Chapter     walkthroughs/02_softmax_cross_entropy.md
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array, rows
from npformer.ops.checks import check_choice, check_ids
from npformer.seam import op

Reduction = Literal["mean", "sum", "none"]


class CrossEntropyCache(NamedTuple):
    exps: Array  # (R, V)
    total: Array  # (R,)
    targets: Array  # (R,), 0 where ignored
    valid: Array  # (R,) bool, False where ignored
    a: Array  # (R,) weight of the target's term
    s: Array  # (V,) weights of the smoothing's terms, or (1,) where all are the same
    s_sum: Array  # (), over all V classes
    divisor: float  # 1 but for "mean"
    shape: tuple[int, ...]  # of logits


@op
def cross_entropy_forward(
    logits: Array,
    targets: Array,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = -100,
    weight: Array | None = None,
    reduction: Reduction = "mean",
) -> tuple[Array, CrossEntropyCache]:
    """logits (..., V), targets (...), weight (V,) or None -> loss () or (...), cache.

    Raises ``IndexError`` for a target that is neither ignore_index nor in [0, V), ``ShapeError``
    for targets that are not integers of shape (...), ``ConfigError`` for another reduction.
    """
    check_choice("reduction", reduction, get_args(Reduction))
    if targets.shape != logits.shape[:-1]:
        raise ShapeError(f"targets {targets.shape} do not fit logits {logits.shape}")
    classes = logits.shape[-1]
    t = targets.reshape(-1)
    valid = np.ones(t.shape, bool) if ignore_index is None else t != ignore_index
    check_ids(t[valid], classes, "target")
    t = np.where(valid, t, 0).astype(np.intp)

    w = np.ones(1, logits.dtype) if weight is None else weight
    w_t = np.where(valid, np.broadcast_to(w, classes)[t], 0)  # (R,)
    a = w_t * (1 - label_smoothing)
    s = w * (label_smoothing / classes)
    s_v = np.ones(classes, s.dtype) * s  # (V,)

    x = rows(logits)
    z = x - x.max(axis=-1, keepdims=True, initial=-np.inf)  # (R, V)
    z_t = z[np.arange(len(z)), t]
    z_s = 0
    if label_smoothing:
        charged = s_v != 0  # 0 times a logit of -inf would be NaN
        z_s = z @ s_v if charged.all() else z[:, charged] @ s_v[charged]
    exps = np.exp(z, out=z)
    total = exps.sum(axis=-1)
    log_total = np.log(total)

    losses = a * (log_total - np.where(a == 0, 0, z_t)) + (s_v.sum() * log_total - z_s)
    if reduction == "mean" and not w_t.any():
        valid = np.zeros_like(valid)
    losses = np.where(valid, losses, 0)
    divisor = (w_t.sum() or 1) if reduction == "mean" else 1
    loss = losses.reshape(targets.shape) if reduction == "none" else losses.sum() / divisor
    cache = CrossEntropyCache(exps, total, t, valid, a, s, s_v.sum(), divisor, logits.shape)
    return np.asarray(loss), cache


@op
def cross_entropy_backward(dloss: Array, cache: CrossEntropyCache) -> Array:
    """dloss () or (...) -> dlogits (..., V)."""
    exps, total, t, valid, a, s, s_sum, divisor, shape = cache
    d = np.asarray(dloss, exps.dtype).reshape(-1)  # (R,), or (1,) where the rows were summed
    d = np.where(valid, d / divisor, 0)
    dlogits = exps * (d * (a + s_sum) / total)[:, None]
    if s.any():
        dlogits -= d[:, None] * s
    dlogits[np.arange(len(t)), t] -= d * a
    dlogits[~valid] = 0  # whatever exps holds there
    return dlogits.reshape(shape)
