import numpy as np


def noam(update, d_model, warmup):
    peak = 1 / np.sqrt(d_model * warmup)
    if update < warmup:
        return peak * update / warmup
    return peak * np.sqrt(warmup / update)


def clip(dweight, dbias, max_norm):
    both = np.concatenate([dweight.ravel(), dbias])
    both = both * min(1.0, max_norm / max(np.linalg.norm(both), max_norm))
    return both[: dweight.size].reshape(dweight.shape), both[dweight.size :]
