r"""GRPO: a clipped policy gradient with a group for its baseline (Shao et al., 2024, 2402.03300).

Shapes      log_probs, dlog_probs, old, reference : (B, T)    counts : bool (B, T)
            advantages : (B,)    loss : ()    ratio, share : (B, T)

Forward     Of each token of a sampled answer, by how much the policy has moved since it was drawn,

                ratio = exp(log_probs - old)

            and what the answer is worth beside the others of its group (group_advantages.py):

                gain = min(ratio A, clip(ratio, 1 - low, 1 + high) A)        A = advantages

            Less beta times how far it has left the reference, by an estimate that is never
            negative (Schulman's k3), with r = reference - log_probs,

                kl   = exp(r) - 1 - r
                loss = sum of share (beta kl - gain)

            share is 0 for tokens that do not count, and for others, by ``per``:

                "token"      1                 who updates divides by all tokens (DAPO)
                "sequence"   1 / its tokens    who updates divides by all answers (GRPO)
                a number L   1 / L             who updates divides by all answers (Dr. GRPO)

Backward    dratio/dlog_probs = ratio. The minimum is the unclipped term unless the ratio is beyond
            1 + high with A > 0, or below 1 - low with A < 0; there gain is a constant. And
            dkl/dlog_probs = 1 - exp(r), so

                dlog_probs = dloss share (beta (1 - exp(r)) - [not clipped] ratio A)

            At the bounds themselves the gradient passes. old, reference and A are given.

Reading     Clipping takes the reason to go further, on the side where going further pays; it does
            not hold the ratio, nor bring it back. At the first step after drawing, ratio is 1 and
            the gradient A times that of log_probs: REINFORCE with a baseline.

            In the mean over tokens drawn from the policy kl is KL(policy, reference). The mean of
            its gradient is another one's, that of KL(reference, policy), for the draw depends on
            the policy too and kl's slope does not know it. So it was published; it is a choice.

            Every share belongs to an answer, so a batch may be cut between answers. "sequence"
            gives a token of a long answer less weight, and so long wrong ones less than short ones.

Chapter     walkthroughs/29_learning_from_preferences.md
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from npformer.errors import ConfigError, ShapeError
from npformer.ops.array import Array
from npformer.ops.checks import check_choice, check_mask
from npformer.seam import op

Per = Literal["token", "sequence"] | int


class GrpoLossCache(NamedTuple):
    share: Array  # (B, T)
    gain_slope: Array  # (B, T), ratio A, 0 where clipped
    kl_slope: Array | None  # (B, T), beta (1 - exp(r))


@op
def grpo_loss_forward(
    log_probs: Array,
    old: Array,
    advantages: Array,
    *,
    counts: Array | None = None,
    reference: Array | None = None,
    beta: float = 0.0,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    per: Per = "token",
) -> tuple[Array, GrpoLossCache]:
    """log_probs (B, T), old (B, T), advantages (B,) -> loss (), cache.

    All tokens count unless ``counts`` says not. Raises ``ShapeError`` for arrays that do not fit,
    ``ConfigError`` for another ``per``, a bound below 0, or a beta without a reference.
    """
    _check(beta, reference, clip_low, clip_high, per)
    counted = np.ones(log_probs.shape, bool) if counts is None else counts
    check_mask(counted)
    fits = {"old": old, "counts": counted} | ({} if reference is None else {"reference": reference})
    for name, given in fits.items():
        if given.shape != log_probs.shape:
            raise ShapeError(f"{name} {given.shape} does not fit log_probs {log_probs.shape}")
    if advantages.shape != log_probs.shape[:1]:
        raise ShapeError(f"advantages {advantages.shape} do not fit log_probs {log_probs.shape}")

    dtype = log_probs.dtype
    share = counted.astype(dtype) / _divisor(counted, per).astype(dtype)
    ratio = np.exp(np.where(counted, log_probs - old, 0))
    worth = advantages[:, None]  # (B, 1)
    gain = np.minimum(ratio * worth, np.clip(ratio, 1 - clip_low, 1 + clip_high) * worth)
    clipped = np.where(worth > 0, ratio > 1 + clip_high, ratio < 1 - clip_low)
    gain_slope = np.where(clipped, 0, ratio * worth)
    losses, kl_slope = -gain, None
    if reference is not None and beta:
        r = np.where(counted, reference - log_probs, 0)
        losses = losses + beta * (np.expm1(r) - r)
        kl_slope = -beta * np.expm1(r)
    return np.asarray((share * losses).sum()), GrpoLossCache(share, gain_slope, kl_slope)


@op
def grpo_loss_backward(dloss: Array, cache: GrpoLossCache) -> Array:
    """dloss () -> dlog_probs (B, T)."""
    share, gain_slope, kl_slope = cache
    return dloss * share * (-gain_slope if kl_slope is None else kl_slope - gain_slope)


def _divisor(counts: Array, per: Per) -> Array:
    """What a token's share is 1 divided by: (B, 1), or ()."""
    if per == "sequence":
        of_answer = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    else:
        of_answer = np.asarray(1 if per == "token" else per)
    return of_answer


def _check(beta: float, reference: Array | None, low: float, high: float, per: Per) -> None:
    if isinstance(per, str):
        check_choice("per", per, ("token", "sequence"))
    elif per < 1:
        raise ConfigError(f"per is {per}; a length must be 1 or more")
    if not (0 <= low <= 1 and high >= 0):
        raise ConfigError(
            f"clip_low is {low} and clip_high {high}; the ratio is held from 1 - low to 1 + high, "
            "with low in [0, 1] and high 0 or more"
        )
    if beta < 0 or (beta > 0 and reference is None):
        raise ConfigError(
            f"beta is {beta}; it must be 0, or above 0 with the reference's log-probabilities"
        )
