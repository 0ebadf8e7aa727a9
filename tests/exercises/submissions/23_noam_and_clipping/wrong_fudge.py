# diagnosis: enlarged by 1e-6
import numpy as np


def noam(update, d_model, warmup):
    return d_model**-0.5 * min(update**-0.5, update * warmup**-1.5)


def clip(dweight, dbias, max_norm):
    norm = np.sqrt((dweight**2).sum() + (dbias**2).sum())
    factor = min(1.0, max_norm / (norm + 1e-6))
    return factor * dweight, factor * dbias
