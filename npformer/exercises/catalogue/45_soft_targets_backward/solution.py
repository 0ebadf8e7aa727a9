"""Exercise 45: the backward of cross-entropy against distributions."""

import numpy as np


def soft_cross_entropy_forward(logits, targets, reduction="mean"):
    """logits (..., V), targets (..., V) -> loss () or (...), cache."""
    z = logits - logits.max(axis=-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    losses = -(targets * logp).sum(axis=-1)
    divisor = max(losses.size, 1) if reduction == "mean" else 1
    loss = losses if reduction == "none" else losses.sum() / divisor
    return loss, (logp, targets, divisor)


def soft_cross_entropy_backward(dloss, cache):
    """dloss () or (...) -> dlogits (..., V), dtargets (..., V)."""
    logp, targets, divisor = cache
    d = np.asarray(dloss)[..., None] / divisor
    # -targets reaches logp; a row of them need not add up to 1.
    mass = targets.sum(axis=-1, keepdims=True)
    return d * (mass * np.exp(logp) - targets), -d * logp
