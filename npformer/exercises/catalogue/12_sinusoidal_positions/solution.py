"""Exercise 12: sinusoidal positions."""

import numpy as np


def sinusoidal_positions(length, d_model):
    """The table (length, d_model); an odd d_model ends on a sine."""
    # 2i of the formula is the even column of pair i, so the exponent needs no further factor 2. The
    # cosine beside it takes the same frequency: that is what makes the pair the hand of a clock.
    even = np.arange(0, d_model, 2)  # (pairs,), the half pair of an odd d_model included
    angles = np.arange(length)[:, None] / 10000.0 ** (even / d_model)  # (length, pairs)
    positions = np.empty((length, d_model))
    positions[:, 0::2] = np.sin(angles)
    positions[:, 1::2] = np.cos(angles[:, : d_model // 2])
    return positions
