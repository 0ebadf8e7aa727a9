"""Exercise 45: the backward of cross-entropy against distributions.

    logits, targets, dlogits, dtargets (..., V)    loss () or (...)

The forward is given. Write soft_cross_entropy_backward, then:

    npformer exercise check soft_targets_backward
    npformer exercise hint soft_targets_backward
"""

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
    raise NotImplementedError("return dlogits, dtargets")
