"""Exercise 69: learning from one answer at a time."""

import numpy as np


def logistic(x):
    """1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def kto_loss_forward(
    log_probs,
    *,
    reference,
    desirable,
    beta=0.1,
    baseline=0.0,
    desirable_weight=1.0,
    undesirable_weight=1.0,
):
    """log_probs, reference (A,), desirable (A,) bool -> loss (), cache."""
    s = np.where(desirable, 1.0, -1.0)
    w = np.where(desirable, desirable_weight, undesirable_weight)
    u = s * (beta * (log_probs - reference) - baseline)
    return np.asarray((w * logistic(-u)).sum()), (u, s, w, beta)


def kto_loss_backward(dloss, cache):
    """dloss () -> dlog_probs (A,)."""
    u, s, w, beta = cache
    # The loss falls as u rises; u rises with log_probs if the answer is desirable.
    return -dloss * w * s * beta * logistic(u) * logistic(-u)
