"""What the words of a step are told by: whether two arrays are one formula's."""

from __future__ import annotations

from typing import Any

import numpy as np

CLOSE = 1e-4
"""Two arrays are one formula's where they differ by less of the largest entry."""


def wide(value: Any) -> Any:
    """A floating-point array in float64; anything else as it is."""
    real = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return value.astype(np.float64) if real else value


def largest(a: Any) -> float:
    """The size of the largest entry; 0 if there is none."""
    return float(np.abs(a).max(initial=0.0))


def close(a: Any, b: Any) -> bool:
    """Whether two arrays have one shape and are one formula's."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or not np.isfinite(a).all():
        return False
    return largest(a - b) <= CLOSE * max(largest(b), 1e-30)
