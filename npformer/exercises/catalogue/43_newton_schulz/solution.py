"""Exercise 43: Muon's Newton-Schulz iteration."""

import numpy as np


def newton_schulz(g):
    """g (O, I) -> (O, I), about U V^T for g = U S V^T."""
    a, b, c = 3.4445, -4.7750, 2.0315
    # The Frobenius norm is at least the largest singular value: all of them are in [0, 1] now.
    x = g / max(np.linalg.norm(g), 1e-7)
    for _ in range(5):
        gram = x @ x.T  # (O, O)
        # s becomes a s + b s^3 + c s^5, and U and V stay.
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x
