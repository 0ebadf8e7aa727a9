"""Exercise 05: the backward of cross-entropy, with padding."""

import numpy as np


def cross_entropy_forward(logits, targets, ignore_index=-100):
    """logits (R, V), targets (R,) -> loss (), cache."""
    z = logits - logits.max(axis=-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))  # (R, V)
    valid = targets != ignore_index  # (R,)
    t = np.where(valid, targets, 0)  # (R,)
    losses = -logp[np.arange(len(t)), t] * valid  # (R,)
    count = max(int(valid.sum()), 1)
    loss = losses.sum() / count
    cache = (logp, t, valid, count)
    return loss, cache


def cross_entropy_backward(dloss, cache):
    """dloss () -> dlogits (R, V)."""
    logp, t, valid, count = cache
    # What reaches logp is -1 at the target. The log-softmax, dy - p sum(dy), makes p - onehot.
    dlogits = np.exp(logp)  # (R, V), a new array: the cache is not ours to write to
    dlogits[np.arange(len(t)), t] -= 1
    # Each row reaches the loss with the factor 1/n, and n counts what the forward counted. Padding
    # reaches it with 0; its target was replaced by class 0, so p - onehot is not 0 there by itself.
    share = valid * (dloss / count)  # (R,)
    return dlogits * share[:, None]
