import numpy as np


def soft_cross_entropy_backward(dloss, cache):
    logp, targets, divisor = cache
    V = logp.shape[-1]
    rows = logp.reshape(-1, V)
    q = targets.reshape(-1, V)
    d = np.broadcast_to(np.asarray(dloss).reshape(-1), len(rows)) / divisor
    dlogits, dtargets = np.zeros_like(rows), np.zeros_like(rows)
    for r in range(len(rows)):
        for j in range(V):
            dtargets[r, j] = -d[r] * rows[r, j]
            for c in range(V):
                dlogits[r, j] -= d[r] * q[r, c] * ((c == j) - np.exp(rows[r, j]))
    return dlogits.reshape(logp.shape), dtargets.reshape(logp.shape)


def soft_cross_entropy_forward(logits, targets, reduction="mean"):
    z = logits - logits.max(axis=-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    losses = -(targets * logp).sum(axis=-1)
    divisor = max(losses.size, 1) if reduction == "mean" else 1
    loss = losses if reduction == "none" else losses.sum() / divisor
    return loss, (logp, targets, divisor)
