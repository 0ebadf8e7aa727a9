r"""KTO: answers that are judged one by one, and not in pairs (Ethayarajh et al., 2024).

Shapes      log_probs, reference, dlog_probs : (A,)    desirable : bool (A,)    loss : ()
            A answers; u, s, w : (A,)

Forward     ``log_probs`` are of the policy and ``reference`` of what it began as, both as
            sequence_log_prob.py makes them. An answer's reward is measured from a ``baseline``,
            upwards if the answer is desirable (s = 1) and downwards if not (s = -1),

                u    = s (beta (log_probs - reference) - baseline)
                loss = sum of w (1 - sigmoid(u)) = sum of w sigmoid(-u)

            with w the ``desirable_weight`` or the ``undesirable_weight``.

Backward    The slope of sigmoid(-u) is -sigmoid(u) sigmoid(-u), and du/dlog_probs = s beta, so

                dlog_probs = -dloss w s beta sigmoid(u) sigmoid(-u)

            The reference and the baseline are given, and have no gradient.

Reading     The loss is bounded, and its gradient fades on both sides: an answer that is far worse
            than the reference's is given up, where a logarithm (dpo_loss.py) would pull the
            hardest. So one wrong label costs w at most. It is largest at u = 0, where the policy
            begins if the baseline is 0.

            The paper's baseline is an estimate of beta KL(policy, reference) from the batch, and no
            gradient flows through it. Then an answer's loss depends on what else is in the batch,
            and a batch that is cut in two has another loss; with a constant it has the same.

Chapter     walkthroughs/29_learning_from_preferences.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ConfigError, ShapeError
from npformer.ops.array import Array
from npformer.ops.checks import check_mask
from npformer.ops.silu import logistic
from npformer.seam import op


class KtoLossCache(NamedTuple):
    u: Array  # (A,)
    slope: Array  # (A,) w s beta


@op
def kto_loss_forward(
    log_probs: Array,
    *,
    reference: Array,
    desirable: Array,
    beta: float = 0.1,
    baseline: float = 0.0,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> tuple[Array, KtoLossCache]:
    """log_probs (A,), reference (A,), desirable (A,) -> loss (), cache.

    Raises ``ShapeError`` for a reference or judgements of another shape or judgements that are not
    boolean, ``ConfigError`` for a beta that is not above 0.
    """
    if not beta > 0:
        raise ConfigError(f"beta is {beta}; it must be above 0")
    check_mask(desirable)
    for name, given in (("reference", reference), ("desirable", desirable)):
        if given.shape != log_probs.shape:
            raise ShapeError(f"{name} {given.shape} does not fit log_probs {log_probs.shape}")
    s = np.where(desirable, 1, -1)
    w = np.where(desirable, desirable_weight, undesirable_weight)
    u = (s * (beta * (log_probs - reference) - baseline)).astype(log_probs.dtype, copy=False)
    slope = (w * s * beta).astype(log_probs.dtype)
    return np.asarray((w.astype(u.dtype) * logistic(-u)).sum()), KtoLossCache(u, slope)


@op
def kto_loss_backward(dloss: Array, cache: KtoLossCache) -> Array:
    """dloss () -> dlog_probs (A,)."""
    u, slope = cache
    return -dloss * slope * logistic(u) * logistic(-u)
