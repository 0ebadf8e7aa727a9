"""What every op shares: the array type, silence in floating point, and rows.

Chapter     walkthroughs/00_how_to_read.md
"""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray

# A decorator for ops. A result too large for its dtype is inf, and inf - inf is NaN: these are
# answers, as in PyTorch, not occasions for a warning. Whoever trains looks at the gradient.
silent = np.errstate(all="ignore")


def rows(x: Array) -> Array:
    """x (..., D) -> (R, D), every axis but the last made one; a view where strides allow it."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
