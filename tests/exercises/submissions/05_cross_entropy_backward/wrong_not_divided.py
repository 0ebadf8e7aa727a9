# diagnosis: the mean's gradient is the sum's
import numpy as np


def cross_entropy_forward(logits, targets, ignore_index=-100):
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
    logp, t, valid, count = cache
    dlogits = np.exp(logp)
    dlogits[np.arange(len(t)), t] -= 1
    return dlogits * valid[:, None] * dloss
