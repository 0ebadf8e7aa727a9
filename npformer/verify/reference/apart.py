"""Axes of an input that a forward keeps apart: a row of y depends on the same row of x alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Array = np.ndarray
Function = Callable[..., Array]
Pairs = tuple[tuple[int, int], ...]
"""An axis of an input and one of y: an entry of y depends on entries with its own index alone."""

STEP = 1e-5
FAINT = 1e-8
"""Of the largest change of y, what counts as none."""
ALONE = 8
"""Entries of an array of which it is not asked: to move each takes no more calls."""


def axes_apart(function: Function, arrays: Sequence[Array], array: Array) -> Pairs:
    """The pairs of axes of ``array``, which is one of ``arrays``, and of y that seem to be apart.

    Two calls a pair of equal lengths. What moves one index of an axis by so little that it is taken
    for nothing, or elsewhere than here, is not seen: whoever relies on it looks again.
    """
    y = np.asarray(function(*arrays))
    if array.size <= ALONE or not y.size or not np.isfinite(y).all():
        return ()
    found: list[tuple[int, int]] = []
    for i, length in enumerate(array.shape):
        for j, other in enumerate(y.shape):
            if length != other or any(j == taken for _, taken in found):
                continue
            # A single row is apart from the others, however many there might be.
            single = length == 1 and i == j == 0 and array.ndim > 1
            if single or (length > 1 and _are_apart(function, arrays, array, y, i, j)):
                found.append((i, j))
                break
    return tuple(found)


def _are_apart(
    function: Function, arrays: Sequence[Array], array: Array, y: Array, i: int, j: int
) -> bool:
    """Whether moving every second index of axis i leaves the others of y's axis j alone."""
    before = array.copy()
    v = STEP * np.random.default_rng(0).standard_normal(array.shape)
    try:
        for first in (0, 1):
            moved = [slice(None)] * array.ndim
            moved[i] = slice(first, None, 2)
            array[tuple(moved)] += v[tuple(moved)]
            change = np.abs(np.asarray(function(*arrays)) - y)
            array[...] = before
            others = np.take(change, np.arange(1 - first, y.shape[j], 2), axis=j)
            if not others.max(initial=0.0) <= FAINT * change.max():
                return False
    except Exception:  # it refuses numbers near by
        return False
    finally:
        array[...] = before
    return True
