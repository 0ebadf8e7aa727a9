# diagnosis: the sines fill the left half
import numpy as np


def sinusoidal_positions(length, d_model):
    i = np.arange((d_model + 1) // 2)
    angles = np.arange(length)[:, None] / 10000 ** (2 * i / d_model)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :d_model]
