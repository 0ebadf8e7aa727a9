"""Exercise 06: label smoothing, forward and backward."""

import numpy as np


def cross_entropy_forward(logits, targets, label_smoothing=0.0, ignore_index=-100):
    """logits (R, V), targets (R,) -> loss (), cache."""
    z = logits - logits.max(axis=-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))  # (R, V)
    valid = targets != ignore_index  # (R,)
    t = np.where(valid, targets, 0)  # (R,), 0 where ignored
    count = max(int(valid.sum()), 1)
    # e/V goes to every class, so the target has 1 - e + e/V, and the row sums to 1.
    classes = logits.shape[-1]
    q = (1 - label_smoothing) * np.eye(classes)[t] + label_smoothing / classes  # (R, V)
    # valid silences the whole row: padding has a smoothing's term too, at every class.
    losses = -(q * logp).sum(axis=-1) * valid  # (R,)
    cache = (np.exp(logp) - q, valid, count)
    return losses.sum() / count, cache


def cross_entropy_backward(dloss, cache):
    """dloss () -> dlogits (R, V)."""
    p_less_q, valid, count = cache
    # -q reaches logp, and the log-softmax makes -q + p sum(q) of it. The sum is 1 because q is a
    # distribution; it would not be if the smoothing left the target out.
    share = valid * (dloss / count)  # (R,)
    return p_less_q * share[:, None]
