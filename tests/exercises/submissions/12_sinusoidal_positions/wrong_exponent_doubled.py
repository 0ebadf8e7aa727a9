# diagnosis: doubled once too often
import numpy as np


def sinusoidal_positions(length, d_model):
    even = np.arange(0, d_model, 2)
    angles = np.arange(length)[:, None] / 10000 ** (2 * even / d_model)
    table = np.empty((length, d_model))
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles[:, : d_model // 2])
    return table
