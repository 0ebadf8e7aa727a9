"""Exercise 57: how probable is an answer.

    logits, dlogits (B, T, V)    targets, counts (B, T)    y, dy (B,)

The forward is given. Write sequence_log_prob_backward, then:

    npformer exercise check sequence_log_prob_backward
    npformer exercise hint sequence_log_prob_backward
"""

import numpy as np


def sequence_log_prob_forward(logits, targets, *, counts=None, mean=False):
    """logits (B, T, V), targets (B, T), counts (B, T) -> y (B,), cache."""
    counts = np.ones(targets.shape, bool) if counts is None else counts
    targets = np.where(counts, targets, 0)
    share = counts.astype(logits.dtype)
    if mean:
        share /= np.maximum(counts.sum(axis=1, keepdims=True), 1)
    z = logits - logits.max(axis=2, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=2, keepdims=True))
    of_targets = np.take_along_axis(log_p, targets[..., None], axis=2)[..., 0]
    y = (share * np.where(counts, of_targets, 0)).sum(axis=1)
    return y, (np.exp(log_p), targets, share)


def sequence_log_prob_backward(dy, cache):
    """dy (B,) -> dlogits (B, T, V)."""
    p, targets, share = cache
    raise NotImplementedError("return dlogits")
