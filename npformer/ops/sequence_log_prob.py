r"""The log-probability of a sequence: the sum of those of its tokens that count.

Shapes      logits, dlogits : (B, T, V)    targets : (B, T) integers    counts : bool (B, T)
            y, dy : (B,)    p : (B, T, V)    share : (B, T)

Forward     With p = softmax(logits), by the chain rule of probabilities,

                y_b = sum_t share_bt log p_bt,target

            where share is 1 for a token that counts and 0 for one that does not: the prompt, and
            padding. With ``mean`` it is divided by the tokens of the sequence that count.

Backward    dlog p_target/dlogits_j = delta_target,j - p_j (see log_softmax.py), so

                dlogits = dy_b share (onehot(target) - p)

Reading     Each token of a sequence is told the same dy: losses of preferences judge a whole
            answer, and know nothing of which token made it good.

            The sum is the log-probability. The mean is not one: it takes the length out, so that a
            long answer does not lose for being long, and an answer's gradient is divided by its
            length. What is derived for log-probabilities (dpo_loss.py) holds for the sum.

Chapter     walkthroughs/29_learning_from_preferences.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array
from npformer.ops.checks import check_ids, check_mask
from npformer.seam import op


class SequenceLogProbCache(NamedTuple):
    p: Array  # (B, T, V)
    targets: Array  # (B, T), 0 where they do not count
    share: Array  # (B, T)


@op
def sequence_log_prob_forward(
    logits: Array, targets: Array, *, counts: Array | None = None, mean: bool = False
) -> tuple[Array, SequenceLogProbCache]:
    """logits (B, T, V), targets (B, T) -> y (B,), cache; all count unless ``counts`` says not.

    Raises ``IndexError`` for a target that counts and is not in [0, V), ``ShapeError`` for targets
    or counts that do not fit.
    """
    counted = np.ones(targets.shape, bool) if counts is None else counts
    check_mask(counted)
    for name, given in (("targets", targets), ("counts", counted)):
        if given.shape != logits.shape[:-1]:
            raise ShapeError(f"{name} {given.shape} do not fit logits {logits.shape}")
    check_ids(targets[counted], logits.shape[-1], "target")
    t = np.where(counted, targets, 0)
    share = counted.astype(logits.dtype)
    if mean:
        share /= np.maximum(counted.sum(axis=-1, keepdims=True), 1)

    z = logits - logits.max(axis=-1, keepdims=True, initial=-np.inf)
    log_p = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    of_targets = np.take_along_axis(log_p, t[..., None], axis=-1)[..., 0]  # (B, T)
    y = (share * np.where(counted, of_targets, 0)).sum(axis=-1)
    return y, SequenceLogProbCache(np.exp(log_p), t, share)


@op
def sequence_log_prob_backward(dy: Array, cache: SequenceLogProbCache) -> Array:
    """dy (B,) -> dlogits (B, T, V)."""
    p, targets, share = cache
    d = (dy[:, None] * share)[..., None]  # (B, T, 1)
    dlogits = np.where(share[..., None] == 0, 0, -d * p)  # 0 whatever p holds there
    at = targets[..., None]
    np.put_along_axis(dlogits, at, np.take_along_axis(dlogits, at, axis=-1) + d, axis=-1)
    return dlogits
