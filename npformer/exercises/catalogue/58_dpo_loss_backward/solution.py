"""Exercise 58: learning from pairs of answers."""

import numpy as np


def logistic(x):
    """1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def dpo_loss_forward(
    chosen, rejected, reference_chosen, reference_rejected, *, beta=0.1, label_smoothing=0.0
):
    """Log-probabilities (P,) of the policy and of the reference -> loss (), cache."""
    m = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    right, wrong = np.logaddexp(0, -m), np.logaddexp(0, m)  # -log sigmoid(m), -log sigmoid(-m)
    loss = ((1 - label_smoothing) * right + label_smoothing * wrong).sum()
    return np.asarray(loss), (m, beta, label_smoothing)


def dpo_loss_backward(dloss, cache):
    """dloss () -> dchosen (P,), drejected (P,)."""
    m, beta, label_smoothing = cache
    # -(1 - e) sigmoid(-m) + e sigmoid(m), and the two sigmoids sum to 1.
    dm = dloss * (label_smoothing - logistic(-m))
    return beta * dm, -beta * dm
