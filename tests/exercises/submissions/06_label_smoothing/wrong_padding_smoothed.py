# diagnosis: the smoothing's mean counts ignored rows
import numpy as np


def cross_entropy_forward(logits, targets, label_smoothing=0.0, ignore_index=-100):
    z = logits - logits.max(axis=-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    valid = targets != ignore_index
    t = np.where(valid, targets, 0)
    count = max(int(valid.sum()), 1)
    classes = logits.shape[-1]
    of_target = -logp[np.arange(len(t)), t] * valid
    of_all = -logp.mean(axis=-1)
    losses = (1 - label_smoothing) * of_target + label_smoothing * of_all
    q = (1 - label_smoothing) * np.eye(classes)[t] + label_smoothing / classes
    cache = (np.exp(logp) - q, valid / count)
    return losses.sum() / count, cache


def cross_entropy_backward(dloss, cache):
    p_less_q, share = cache
    return p_less_q * (share * dloss)[:, None]
