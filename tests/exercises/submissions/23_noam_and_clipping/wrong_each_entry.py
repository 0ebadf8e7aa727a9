# diagnosis: each entry is clipped on its own
import numpy as np


def noam(update, d_model, warmup):
    return d_model**-0.5 * min(update**-0.5, update * warmup**-1.5)


def clip(dweight, dbias, max_norm):
    return np.clip(dweight, -max_norm, max_norm), np.clip(dbias, -max_norm, max_norm)
