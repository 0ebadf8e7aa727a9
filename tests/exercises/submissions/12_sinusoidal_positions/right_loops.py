import numpy as np


def sinusoidal_positions(length, d_model):
    table = np.zeros((length, d_model))
    for t in range(length):
        for column in range(d_model):
            angle = t * 10000 ** (-2 * (column // 2) / d_model)
            table[t, column] = np.cos(angle) if column % 2 else np.sin(angle)
    return table
