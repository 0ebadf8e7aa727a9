"""Exercise 12: sinusoidal positions.

    positions (length, d_model), float64

Write sinusoidal_positions, then:

    npformer exercise check sinusoidal_positions
    npformer exercise hint sinusoidal_positions
"""

import numpy as np


def sinusoidal_positions(length, d_model):
    """The table (length, d_model); an odd d_model ends on a sine."""
    raise NotImplementedError("return positions")
