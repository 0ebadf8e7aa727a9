r"""Output projection and cross-entropy in one, without the logits (Wijmans et al., 2024).

The logits of a batch are its largest array: R rows (target positions) times V classes, where what
goes in and what comes out has (R + V) D numbers. Here a block of them exists at one time, C rows
by K classes: made, used and forgotten, in the forward and once more in the backward.

Shapes      x, dx : (..., D)    weight, dweight : (V, D)    targets : (...) integers
            loss : () for "mean" and "sum", (...) for "none"
            of a block: h (C, D), w (K, D), logits (C, K);  top, total of its rows : (C,)

Forward     logits = h w^T, or softcap tanh(h w^T / softcap)

            Over all V classes of a row, with top their maximum,

                total     = sum_c exp(logits_c - top)
                log_total = top + log(total)             the log of the sum of exp(logits)

            A row can be told its classes a few at a time: where a block raises the maximum, what
            was summed so far was measured from the old one, and is brought to the new one,

                total = total exp(top - top') + sum over the block of exp(logits_c - top')

            With a = 1 - label_smoothing for the target t and s = label_smoothing / V for every
            class, the target included, and a square that holds log_total near 0,

                loss = log_total - a logits_t - s sum_c logits_c + z_loss log_total^2

            since a + s V = 1. A row whose target is ignore_index has loss 0. "mean" divides by
            the rows that count.

Backward    dlog_total/dlogits_j = p_j with p = exp(logits - top) / total. Let d be what reaches
            the loss of the row from above, divided as the mean was. Then

                dlogits = d (p (1 + 2 z_loss log_total) - s)
                dlogits_t -= d a

            and through the cap, whose slope is 1 - tanh^2,

                dlogits = dlogits (1 - (logits / softcap)^2)

            The projection is linear in both its factors. A row's dx sums over the blocks of
            classes, a class's dweight over the blocks of rows:

                dx      = sum over blocks of classes  dlogits w
                dweight = sum over blocks of rows     dlogits^T h

Reading     What is kept of a row is its top and its total: with them any block of p can be made
            again, without the others. That costs a fourth product where three would do, and it
            is why "none" is right: d stands inside the sums over rows. Who multiplies finished
            gradients by d in the backward has already lost it.

            Rows that are ignored are left out of every product, and what x holds there does no
            harm. Blocks change the order of sums, so the last digits, and nothing else.

            "mean" of no row is 0, as that of cross_entropy.py. z_loss is PaLM's (Chowdhery et al.,
            2022), softcap Gemma 2's: the smoothed, squared and predicted logits are the capped.

Chapter     walkthroughs/20_loss_without_logits.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

import numpy as np

from npformer.errors import ConfigError, ShapeError
from npformer.ops.array import Array, rows
from npformer.ops.checks import check_choice, check_ids
from npformer.seam import op

Reduction = Literal["mean", "sum", "none"]


class LinearCrossEntropyCache(NamedTuple):
    x: Array  # (M, D), of the M rows that count
    weight: Array  # (V, D)
    targets: Array  # (M,)
    top: Array  # (M,) the largest logit
    total: Array  # (M,) the sum of exp(logits - top)
    valid: Array  # (...) bool, False where ignored
    label_smoothing: float
    z_loss: float
    softcap: float | None
    divisor: int  # 1 but for "mean"
    blocks: tuple[int, int]  # rows, classes


@op
def linear_cross_entropy_forward(
    x: Array,
    weight: Array,
    targets: Array,
    *,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softcap: float | None = None,
    ignore_index: int | None = -100,
    reduction: Reduction = "mean",
    row_block: int = 256,
    class_block: int = 4096,
) -> tuple[Array, LinearCrossEntropyCache]:
    """x (..., D), weight (V, D), targets (...) -> loss () or (...), cache.

    At most ``row_block`` by ``class_block`` logits exist at one time.

    Raises ``IndexError`` for a target that is neither ignore_index nor in [0, V), ``ShapeError``
    for targets that are not integers of shape (...), ``ConfigError`` for another reduction, a cap
    that is not above 0, or a block below 1.
    """
    check_choice("reduction", reduction, get_args(Reduction))
    for name, value in (
        ("softcap", softcap),
        ("row_block", row_block),
        ("class_block", class_block),
    ):
        if value is not None and not value > 0:
            raise ConfigError(f"{name} is {value}; it must be above 0")
    if targets.shape != x.shape[:-1]:
        raise ShapeError(f"targets {targets.shape} do not fit x {x.shape}")
    valid = np.ones(targets.shape, bool) if ignore_index is None else targets != ignore_index
    t = targets[valid]  # (M,)
    check_ids(t, len(weight), "target")
    h = rows(x)[valid.reshape(-1)]  # (M, D)

    top = np.full(len(t), -np.inf, x.dtype)
    total, hit, logit_sum = (np.zeros(len(t), x.dtype) for _ in range(3))
    blocks = (row_block, class_block)
    for r, c in _blocks(len(t), len(weight), blocks):
        logits = _logits(h[r], weight[c], softcap)  # (C, K)
        here = np.flatnonzero((t[r] >= c.start) & (t[r] < c.stop))
        hit[r][here] = logits[here, t[r][here] - c.start]
        if label_smoothing:
            logit_sum[r] += logits.sum(axis=-1)
        higher = np.maximum(top[r], logits.max(axis=-1))
        logits -= higher[:, None]
        total[r] *= np.exp(top[r] - higher)
        total[r] += np.exp(logits, out=logits).sum(axis=-1)
        top[r] = higher

    smoothed = label_smoothing * (top - logit_sum / max(len(weight), 1))
    log_total = top + np.log(total)
    each = np.log(total) + (1 - label_smoothing) * (top - hit) + smoothed
    each += z_loss * log_total**2
    divisor = max(len(t), 1) if reduction == "mean" else 1
    if reduction == "none":
        loss = np.zeros(targets.shape, x.dtype)
        loss[valid] = each
    else:
        loss = np.asarray(each.sum() / divisor)
    return loss, LinearCrossEntropyCache(
        h, weight, t, top, total, valid, label_smoothing, z_loss, softcap, divisor, blocks
    )


@op
def linear_cross_entropy_backward(
    dloss: Array, cache: LinearCrossEntropyCache
) -> tuple[Array, Array]:
    """dloss () or (...) -> dx (..., D), dweight (V, D)."""
    h, weight, t, top, total, valid, label_smoothing, z_loss, softcap, divisor, blocks = cache
    d = np.broadcast_to(np.asarray(dloss, h.dtype), valid.shape)[valid] / divisor  # (M,)
    d_p = d * (1 + 2 * z_loss * (top + np.log(total))) / total
    s = label_smoothing / max(len(weight), 1)
    dh, dweight = np.zeros_like(h), np.zeros_like(weight)
    for r, c in _blocks(len(t), len(weight), blocks):
        logits = _logits(h[r], weight[c], softcap)  # (C, K), made again
        dlogits = np.exp(logits - top[r, None])
        dlogits *= d_p[r, None]
        if label_smoothing:
            dlogits -= d[r, None] * s
        here = np.flatnonzero((t[r] >= c.start) & (t[r] < c.stop))
        dlogits[here, t[r][here] - c.start] -= d[r][here] * (1 - label_smoothing)
        if softcap is not None:
            dlogits *= 1 - (logits / softcap) ** 2
        dh[r] += dlogits @ weight[c]
        dweight[c] += dlogits.T @ h[r]
    dx = np.zeros((*valid.shape, h.shape[-1]), h.dtype)
    dx[valid] = dh
    return dx, dweight


def _logits(h: Array, w: Array, softcap: float | None) -> Array:
    logits = h @ w.T  # (C, K)
    if softcap is not None:
        logits /= softcap
        np.tanh(logits, out=logits)
        logits *= softcap
    return logits


def _blocks(count: int, classes: int, blocks: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Rows and classes of each block; all blocks of classes of some rows, then the next rows."""
    for r in range(0, count, blocks[0]):
        for c in range(0, classes, blocks[1]):
            yield (
                slice(r, min(r + blocks[0], count)),
                slice(c, min(c + blocks[1], classes)),
            )
