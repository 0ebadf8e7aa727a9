r"""Direct preference optimisation: a reward that is the policy's own (Rafailov et al., 2023).

Shapes      chosen, rejected, dchosen, drejected : (P,)    loss : ()    P pairs
            reference_chosen, reference_rejected : (P,)

Forward     All four are log-probabilities of answers, as sequence_log_prob.py makes them: of the
            policy, and of the reference that it began as. An answer's reward is beta times the log
            of what the policy has made of its probability,

                m = beta ((chosen - reference_chosen) - (rejected - reference_rejected))

            and the loss is that of pairs (pair_loss.py). If a share e of the pairs, the
            ``label_smoothing``, is taken to be labelled the wrong way round,

                loss = sum of -(1 - e) log sigmoid(m) - e log sigmoid(-m)

Backward    dloss/dm = -(1 - e) sigmoid(-m) + e sigmoid(m), and as the two sigmoids sum to 1,

                dm        = dloss (e - sigmoid(-m))
                dchosen   =  beta dm
                drejected = -beta dm

            The reference is given, and has no gradient.

Reading     The policy that is best for a reward r, and pays beta for each unit of KL from the
            reference, is reference * exp(r / beta) / Z. Solved for r, that is beta log(policy /
            reference) + beta log Z, and Z, which nobody could compute, cancels in a pair.

            Only the difference is held: the probability of chosen may fall, if that of rejected
            falls faster. Without the reference it is another loss. Smoothed, the gradient is 0
            where sigmoid(-m) = e, and beyond it the pair is pulled back.

Chapter     walkthroughs/29_learning_from_preferences.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ConfigError, ShapeError
from npformer.ops.array import Array
from npformer.ops.silu import logistic
from npformer.seam import op


class DpoLossCache(NamedTuple):
    m: Array  # (P,)
    beta: float
    label_smoothing: float


@op
def dpo_loss_forward(
    chosen: Array,
    rejected: Array,
    reference_chosen: Array,
    reference_rejected: Array,
    *,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
) -> tuple[Array, DpoLossCache]:
    """chosen (P,), rejected (P,), and both of the reference -> loss (), cache.

    Raises ``ShapeError`` for log-probabilities that are no pairs, ``ConfigError`` for a beta that
    is not above 0 or a label_smoothing outside [0, 0.5].
    """
    if not beta > 0:
        raise ConfigError(f"beta is {beta}; it must be above 0")
    if not 0 <= label_smoothing <= 0.5:
        raise ConfigError(
            f"label_smoothing is {label_smoothing}; it must be in [0, 0.5], the share of pairs "
            "whose label is wrong"
        )
    shapes = {a.shape for a in (chosen, rejected, reference_chosen, reference_rejected)}
    if len(shapes) > 1:
        raise ShapeError(f"log-probabilities of shapes {sorted(shapes)} are no pairs")
    m = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    m = m.astype(chosen.dtype, copy=False)  # references often come in another precision
    losses = np.logaddexp(0, -m)
    if label_smoothing:
        losses = (1 - label_smoothing) * losses + label_smoothing * np.logaddexp(0, m)
    return np.asarray(losses.sum()), DpoLossCache(m, beta, label_smoothing)


@op
def dpo_loss_backward(dloss: Array, cache: DpoLossCache) -> tuple[Array, Array]:
    """dloss () -> dchosen (P,), drejected (P,)."""
    m, beta, label_smoothing = cache
    dm = dloss * (label_smoothing - logistic(-m))
    return beta * dm, -beta * dm
