"""What every op shares: the array type, its rows, and whether all of it is finite.

Chapter     walkthroughs/00_how_to_read.md
"""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def rows(x: Array) -> Array:
    """x (..., D) -> (R, D), every axis but the last made one; a view where strides allow it."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


BLOCK = 32
"""Rows that ``summed_rows`` adds one after the other."""


def summed_rows(x: Array) -> Array:
    """x (R, D) -> (D,), the sum of the rows.

    A product with ones is faster than ``x.sum(0)``, and adds rows one after the other as it does:
    of R equal rows the sum is off by R / 10 eps. In blocks, whose sums are added so in their turn,
    the error grows with log R.
    """
    ones = np.ones(min(len(x), BLOCK), x.dtype)
    if len(x) <= BLOCK:
        return ones @ x
    blocks = len(x) // BLOCK
    each = ones @ x[: blocks * BLOCK].reshape(blocks, BLOCK, x.shape[1])  # (blocks, D)
    return summed_rows(each) + summed_rows(x[blocks * BLOCK :])


def finite(array: Array) -> bool:
    """Whether every entry is finite; may be False too where the sum of their squares is not.

    It takes a third of the time of ``np.isfinite(array).all()``.
    """
    return math.isfinite(np.vdot(array, array))


def sum_to(x: Array, shape: tuple[int, ...]) -> Array:
    """The sum of x over the axes along which an array of that shape was broadcast to it.

    In float64 at least: NumPy adds the rows of an axis that is not the last one after another.
    """
    lead = x.ndim - len(shape)
    wider = [axis for axis, size in enumerate(shape, lead) if size == 1 and x.shape[axis] != 1]
    wide = np.promote_types(x.dtype, np.float64)
    total = x.sum(axis=(*range(lead), *wider), dtype=wide, keepdims=True)
    return total.reshape(shape).astype(x.dtype)
