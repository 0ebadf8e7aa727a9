"""Exercise 43: Muon's Newton-Schulz iteration.

    g (O, I) -> (O, I)

Write newton_schulz, then:

    npformer exercise check newton_schulz
    npformer exercise hint newton_schulz
"""

import numpy as np


def newton_schulz(g):
    """g (O, I) -> (O, I), about U V^T for g = U S V^T."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / max(np.linalg.norm(g), 1e-7)
    raise NotImplementedError("return the matrix after five steps")
