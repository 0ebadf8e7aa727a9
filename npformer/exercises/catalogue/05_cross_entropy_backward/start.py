"""Exercise 05: the backward of cross-entropy, with padding.

    logits (R, V)    targets (R,) integers    loss ()

The forward is given: a mean over the rows whose target is not ignore_index. Write
cross_entropy_backward, then:

    npformer exercise check cross_entropy_backward
    npformer exercise hint cross_entropy_backward
"""

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
    raise NotImplementedError("return dlogits")
