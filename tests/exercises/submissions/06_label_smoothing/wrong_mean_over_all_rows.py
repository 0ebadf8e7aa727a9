# diagnosis: the mean counts ignored tokens too
import numpy as np


def cross_entropy_forward(logits, targets, label_smoothing=0.0, ignore_index=-100):
    z = logits - logits.max(axis=-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    valid = targets != ignore_index
    t = np.where(valid, targets, 0)
    count = max(int(valid.sum()), 1)
    classes = logits.shape[-1]
    q = (1 - label_smoothing) * np.eye(classes)[t] + label_smoothing / classes
    losses = -(q * logp).sum(axis=-1) * valid
    cache = (np.exp(logp) - q, valid / len(t))
    return losses.mean(), cache


def cross_entropy_backward(dloss, cache):
    p_less_q, share = cache
    return p_less_q * (share * dloss)[:, None]
