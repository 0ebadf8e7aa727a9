import numpy as np


def cross_entropy_forward(logits, targets, ignore_index=-100):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    rows = np.flatnonzero(targets != ignore_index)
    picked = p[rows, targets[rows]]
    loss = -np.log(picked).sum() / max(len(rows), 1)
    return loss, (p, targets, rows)


def cross_entropy_backward(dloss, cache):
    p, targets, rows = cache
    dlogits = np.zeros(p.shape)
    for r in rows:
        jacobian = np.diag(p[r]) - np.outer(p[r], p[r])  # of the softmax
        dlogits[r] = -dloss / len(rows) / p[r, targets[r]] * jacobian[targets[r]]
    return dlogits
