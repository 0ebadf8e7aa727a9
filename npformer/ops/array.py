"""What every op shares: the array type, and rows.

Chapter     walkthroughs/00_how_to_read.md
"""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def rows(x: Array) -> Array:
    """x (..., D) -> (R, D), every axis but the last made one; a view where strides allow it."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
