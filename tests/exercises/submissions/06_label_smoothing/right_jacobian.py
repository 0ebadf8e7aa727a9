import numpy as np


def cross_entropy_forward(logits, targets, label_smoothing=0.0, ignore_index=-100):
    z = logits - logits.max(axis=-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    valid = targets != ignore_index
    t = np.where(valid, targets, 0)
    count = max(int(valid.sum()), 1)
    classes = logits.shape[-1]
    q = (1 - label_smoothing) * np.eye(classes)[t] + label_smoothing / classes
    loss = -np.einsum("r,rc,rc->", valid / count, q, logp)
    return loss, (logp, q, valid / count)


def cross_entropy_backward(dloss, cache):
    logp, q, share = cache
    jacobian = np.eye(q.shape[-1]) - np.exp(logp)[:, None, :]  # (R, V, V), of log-softmax
    return -dloss * np.einsum("r,ri,rij->rj", share, q, jacobian)
