"""A coefficient that is the same in every entry: by least squares, with noise allowed for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.cards.case import Array

NOISE = 1e-2
"""What may be left over of the deviation from the right result, as a part of it."""
FREE = 3
"""Entries, at least, for a coefficient to be more than a way to write one number."""


class Steady(NamedTuple):
    """How much of a term there is in a deviation."""

    coefficient: float
    left: float
    """What it leaves over, as a part of the deviation (root mean squares)."""


def steady(deviation: Array, term: Array) -> Steady | None:
    """The coefficient of ``term`` in ``deviation``; None if it is not the same in every entry."""
    if deviation.shape != term.shape or np.count_nonzero(term) < FREE:
        return None
    d, t = np.asarray(deviation, np.float64), np.asarray(term, np.float64)
    if not (np.isfinite(d).all() and np.isfinite(t).all()):
        return None
    size_d, size_t = np.abs(d).max(), np.abs(t).max()
    if size_d == 0 or size_t == 0:
        return None
    d, t = d / size_d, t / size_t
    fitted = float((d * t).sum() / (t * t).sum())
    left = float(np.sqrt(np.square(d - fitted * t).sum() / np.square(d).sum()))
    coefficient = fitted * float(size_d) / float(size_t)
    if left > NOISE or not np.isfinite(coefficient) or coefficient == 0:
        return None
    return Steady(plain(coefficient, max(left, 1e-9)), left)


def plain(value: float, doubt: float) -> float:
    """The number with the fewest digits within this part of ``value``."""
    for digits in range(1, 5):
        short = float(f"{value:.{digits}g}")
        if abs(short - value) <= doubt * abs(value):
            return short
    return value
