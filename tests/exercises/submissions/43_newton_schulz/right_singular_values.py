import numpy as np


def newton_schulz(g):
    u, s, vt = np.linalg.svd(g, full_matrices=False)
    s = s / max(np.sqrt((s * s).sum()), 1e-7)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return u * s @ vt
