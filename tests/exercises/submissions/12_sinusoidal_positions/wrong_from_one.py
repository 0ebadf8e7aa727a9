# diagnosis: the first position is counted as 1
import numpy as np


def sinusoidal_positions(length, d_model):
    even = np.arange(0, d_model, 2)
    angles = np.arange(1, length + 1)[:, None] / 10000 ** (even / d_model)
    table = np.empty((length, d_model))
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles[:, : d_model // 2])
    return table
