import numpy as np


def cross_entropy_forward(logits, targets, label_smoothing=0.0, ignore_index=-100):
    z = logits - logits.max(axis=-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    valid = targets != ignore_index
    t = np.where(valid, targets, 0)
    count = max(int(valid.sum()), 1)
    classes = logits.shape[-1]
    e = label_smoothing
    of_target = -logp[np.arange(len(t)), t]  # (R,)
    of_all = -logp.mean(axis=-1)  # (R,)
    loss = (((1 - e) * of_target + e * of_all) * valid).sum() / count
    return loss, (logp, t, valid, count, e)


def cross_entropy_backward(dloss, cache):
    logp, t, valid, count, e = cache
    dlogits = np.exp(logp) - e / logp.shape[-1]
    dlogits[np.arange(len(t)), t] -= 1 - e
    dlogits[~valid] = 0
    return dlogits * dloss / count
