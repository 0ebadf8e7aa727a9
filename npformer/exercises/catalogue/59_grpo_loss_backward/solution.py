"""Exercise 59: a gain that is clipped."""

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


def grpo_loss_backward(dloss, cache):
    """dloss () -> dlog_probs (B, T)."""
    share, ratio, worth, clip_low, clip_high, r, beta = cache
    clipped = np.where(worth > 0, ratio > 1 + clip_high, ratio < 1 - clip_low)
    slope = np.where(clipped, 0, -ratio * worth)  # the slope of an exponential is itself
    if r is not None:
        slope = slope - beta * np.expm1(r)
    return dloss * share * slope
