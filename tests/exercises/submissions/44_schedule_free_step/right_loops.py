import numpy as np


def schedule_free_step(z, x, gradient, squares, rate, beta):
    z, x, y = z.copy(), x.copy(), np.empty_like(z)
    squares += rate**2
    for i, g in enumerate(gradient):
        z[i] -= rate * g
        x[i] += rate**2 / squares * (z[i] - x[i])
        y[i] = (1 - beta) * z[i] + beta * x[i]
    return z, x, y, squares
