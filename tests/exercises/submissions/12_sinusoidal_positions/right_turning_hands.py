import numpy as np


def sinusoidal_positions(length, d_model):
    # Each pair is the hand of a clock: a complex number, turned by its own angle at every step.
    i = np.arange((d_model + 1) // 2)
    step = np.exp(1j * np.exp(-np.log(10000) * 2 * i / d_model))
    hands = np.cumprod(np.vstack([np.ones(len(i)), np.tile(step, (length - 1, 1))]), axis=0)
    return np.stack([hands.imag, hands.real], axis=-1).reshape(length, -1)[:, :d_model]
