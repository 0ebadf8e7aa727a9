import numpy as np


def soft_cross_entropy_forward(logits, targets, reduction="mean"):
    z = logits - logits.max(axis=-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    losses = -(targets * logp).sum(axis=-1)
    divisor = max(losses.size, 1) if reduction == "mean" else 1
    loss = losses if reduction == "none" else losses.sum() / divisor
    return loss, (logp, targets, divisor)


def soft_cross_entropy_backward(dloss, cache):
    logp, targets, divisor = cache
    dlosses = np.broadcast_to(np.asarray(dloss) / divisor, logp.shape[:-1])
    dlogp = -targets * dlosses[..., None]
    dtargets = -logp * dlosses[..., None]
    return dlogp - np.exp(logp) * dlogp.sum(axis=-1, keepdims=True), dtargets
