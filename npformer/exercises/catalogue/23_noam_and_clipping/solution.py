"""Exercise 23: the paper's schedule, and clipping."""

import numpy as np


def noam(update, d_model, warmup):
    """The learning rate of an update, which counts from 1."""
    # The line is the smaller one before warmup and the root after it; they cross at warmup.
    return d_model**-0.5 * min(update**-0.5, update * warmup**-1.5)


def clip(dweight, dbias, max_norm):
    """dweight (O, I), dbias (O,) -> the same, with a norm of at most max_norm together."""
    # One norm of all parameters, and one factor: the direction of the step stays what it was.
    norm = np.sqrt((dweight**2).sum() + (dbias**2).sum())
    factor = max_norm / norm if norm > max_norm else 1.0  # a gradient of zero is not divided by
    return factor * dweight, factor * dbias
