# diagnosis: the line rises to 1
import numpy as np


def noam(update, d_model, warmup):
    return d_model**-0.5 * min(update**-0.5, update / warmup)


def clip(dweight, dbias, max_norm):
    norm = np.sqrt((dweight**2).sum() + (dbias**2).sum())
    factor = max_norm / norm if norm > max_norm else 1.0
    return factor * dweight, factor * dbias
