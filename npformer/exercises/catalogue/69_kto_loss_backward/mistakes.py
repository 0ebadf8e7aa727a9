"""Wrong ways to write this exercise: those on the op's card by name, and others."""

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


def _wrong(back):
    return {"kto_loss_forward": kto_loss_forward, "kto_loss_backward": back}


def _no_beta(dloss, cache):
    u, s, w, _ = cache
    return -dloss * w * s * logistic(u) * logistic(-u)


def _no_weight(dloss, cache):
    u, s, _, beta = cache
    return -dloss * s * beta * logistic(u) * logistic(-u)


MISTAKES = [
    ("the gradient is that of -log sigmoid(u), as in DPO; here is no logarithm",
     "kto_loss/logarithm"),
    ("what is undesirable is learned as well", "kto_loss/sign-of-judgement"),
    ("the loss is made large: a sign is missing", "kto_loss/climbed"),
    ("dloss is taken for 1", "kto_loss/upstream-ignored"),
    ("the factor beta is forgotten", _wrong(_no_beta)),
    ("the weights of the two judgements are forgotten", _wrong(_no_weight)),
]  # fmt: skip
