import numpy as np


def newton_schulz(g):
    tall = len(g) > g.shape[1]
    x = g.T if tall else g
    x = x / max(np.sqrt((x * x).sum()), 1e-7)
    for _ in range(5):
        A = x @ x.T
        x = 3.4445 * x + (-4.7750 * A + 2.0315 * A @ A) @ x
    return x.T if tall else x
