# diagnosis: its share e/V of the smoothing is missing
import numpy as np


def cross_entropy_forward(logits, targets, label_smoothing=0.0, ignore_index=-100):
    z = logits - logits.max(axis=-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    valid = targets != ignore_index
    t = np.where(valid, targets, 0)
    count = max(int(valid.sum()), 1)
    classes = logits.shape[-1]
    q = np.where(np.eye(classes)[t] == 1, 1 - label_smoothing, label_smoothing / classes)
    losses = -(q * logp).sum(axis=-1) * valid
    cache = (np.exp(logp) - q, valid / count)
    return losses.sum() / count, cache


def cross_entropy_backward(dloss, cache):
    p_less_q, share = cache
    return p_less_q * (share * dloss)[:, None]
