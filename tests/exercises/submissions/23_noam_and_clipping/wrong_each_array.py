# diagnosis: each array is clipped by its own norm
import numpy as np


def noam(update, d_model, warmup):
    return d_model**-0.5 * min(update**-0.5, update * warmup**-1.5)


def clip(dweight, dbias, max_norm):
    clipped = []
    for gradient in (dweight, dbias):
        norm = np.linalg.norm(gradient)
        clipped.append(gradient * max_norm / norm if norm > max_norm else gradient)
    return clipped
