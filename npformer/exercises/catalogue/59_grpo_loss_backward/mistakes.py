"""Wrong ways to write this exercise: those on the op's card by name, and others."""

import numpy as np


def grpo_loss_forward(
    log_probs,
    old,
    advantages,
    *,
    counts=None,
    reference=None,
    beta=0.0,
    clip_low=0.2,
    clip_high=0.2,
    per="token",
):
    """log_probs (B, T), old (B, T), advantages (B,) -> loss (), cache."""
    counts = np.ones(log_probs.shape, bool) if counts is None else counts
    share = counts.astype(log_probs.dtype)
    if per == "sequence":
        share /= np.maximum(counts.sum(axis=1, keepdims=True), 1)
    elif per != "token":
        share /= per
    ratio = np.exp(np.where(counts, log_probs - old, 0))
    worth = advantages[:, None]
    held = np.clip(ratio, 1 - clip_low, 1 + clip_high)
    losses = -np.minimum(ratio * worth, held * worth)
    r = None
    if reference is not None:
        r = np.where(counts, reference - log_probs, 0)
        losses = losses + beta * (np.expm1(r) - r)
    loss = np.asarray((share * losses).sum())
    return loss, (share, ratio, worth, clip_low, clip_high, r, beta)


def _wrong(slope):
    """slope(ratio, worth, clip_low, clip_high) of the loss, in place of the right one."""

    def backward(dloss, cache):
        share, ratio, worth, low, high, r, beta = cache
        whole = slope(ratio, worth, low, high)
        return dloss * share * (whole if r is None else whole - beta * np.expm1(r))

    return {"grpo_loss_forward": grpo_loss_forward, "grpo_loss_backward": backward}


def _not_clipped(ratio, worth, low, high):
    return -ratio * worth


def _both_sides(ratio, worth, low, high):
    return np.where((ratio < 1 - low) | (ratio > 1 + high), 0, -ratio * worth)


def _ratio_forgotten(ratio, worth, low, high):
    clipped = np.where(worth > 0, ratio > 1 + high, ratio < 1 - low)
    return np.where(clipped, 0, -worth)


MISTAKES = [
    ("clipped on both sides: a ratio that should come back has no gradient", _wrong(_both_sides)),
    ("the slope of the ratio is taken for 1; it is the ratio", _wrong(_ratio_forgotten)),
    ("gain has a slope where it is clipped", _wrong(_not_clipped)),
    ("the KL gets no gradient", "grpo_loss/kl-detached"),
    ("the KL's slope is beta, without 1 - exp(r)", "grpo_loss/kl-of-k1"),
    ("share is forgotten", "grpo_loss/share-forgotten"),
    ("the gain is made small", "grpo_loss/sign"),
    ("dloss is taken for 1", "grpo_loss/upstream-ignored"),
]  # fmt: skip
