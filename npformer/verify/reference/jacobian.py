"""The derivative of a forward entry by entry, from which the gradient for any dy follows.

Most forwards treat the rows of their first axis alike and apart. There an entry of every row is
moved at once, which costs as much as one; a derivative in a random direction then says whether the
rows are apart indeed, and if they are not, every entry is moved alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

Array = np.ndarray
Function = Callable[..., Array]

MOST = 2**22
"""Entries of a Jacobian that are kept, at most: 32 MB."""
STEP = 1e-5
SAME = 1e-8
"""Of the largest entry, by how much two derivatives may differ: rounding is 1e-11 of it."""


def jacobian(function: Function, arrays: Sequence[Array], step: float = STEP) -> list[Array]:
    """For each array (N entries) the matrix (N, entries of y), by central differences in float64.

    Two evaluations an entry, as for the gradient of one dy.
    """
    arrays = [np.array(a, np.float64) for a in arrays]
    found = []
    for array in arrays:
        whole = _by_rows(function, arrays, array, step)
        if whole is None:
            rows = [d.ravel() for _, d in _moved(function, arrays, array, step)]
            whole = np.array(rows).reshape(array.size, -1)
        found.append(whole)
    return found


def gradients(
    function: Function, arrays: Sequence[Array], dy: Array, step: float = STEP
) -> list[Array]:
    """The gradients of <dy, function(*arrays)>, as ``jacobian``, without keeping one."""
    arrays = [np.array(a, np.float64) for a in arrays]
    found = []
    for array in arrays:
        dx = np.zeros_like(array)
        if _may_be_apart(array, dy):
            for at, d in _moved(function, arrays, array, step, rows=True):
                place: Any = (slice(None), *at)
                dx[place] = (d * dy).reshape(len(dy), -1).sum(1)
            v, d = _random_direction(function, arrays, array, step)
            if not _same(np.sum(dx * v), np.sum(dy * d), float(np.abs(dx).max(initial=0.0))):
                dx = np.zeros_like(array)
        if not dx.any():
            for at, d in _moved(function, arrays, array, step):
                dx[at] = np.sum(d * dy)
        found.append(dx)
    return found


def _by_rows(
    function: Function, arrays: Sequence[Array], array: Array, step: float
) -> Array | None:
    """The matrix where each row of y depends on the same row of ``array`` alone; None if not."""
    y = np.asarray(function(*arrays))
    if not _may_be_apart(array, y):
        return None
    rows, width = len(y), y[0].size
    whole = np.zeros((rows, array[0].size, rows, width))
    for j, (_, d) in enumerate(_moved(function, arrays, array, step, rows=True)):
        whole[np.arange(rows), j, np.arange(rows)] = d.reshape(rows, width)
    whole = whole.reshape(array.size, y.size)
    v, d = _random_direction(function, arrays, array, step)
    return whole if _same(v.ravel() @ whole, d.ravel(), float(np.abs(whole).max())) else None


def _may_be_apart(array: Array, y: Array) -> bool:
    return array.ndim > 1 and y.ndim > 0 and len(y) == len(array) > 1 and array.size > 0 < y.size


def _same(a: Array, b: Array, size: float) -> bool:
    return bool(np.abs(a - b).max() <= SAME * size)


def _moved(
    function: Function, arrays: Sequence[Array], array: Array, step: float, rows: bool = False
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Each index, and the derivative of y by that entry; with ``rows``, by that of every row."""
    for at in np.ndindex(array.shape[1:] if rows else array.shape):
        place: Any = (slice(None), *at) if rows else at
        before = np.array(array[place])
        array[place] = before + step
        above = np.array(function(*arrays))
        array[place] = before - step
        yield at, (above - function(*arrays)) / (2 * step)
        array[place] = before


def _random_direction(
    function: Function, arrays: Sequence[Array], array: Array, step: float
) -> tuple[Array, Array]:
    """A direction, and the derivative of y along it."""
    v = np.random.default_rng(0).standard_normal(array.shape)
    before = array.copy()
    array += step * v
    above = np.array(function(*arrays))
    array[...] = before - step * v
    d = (above - function(*arrays)) / (2 * step)
    array[...] = before
    return v, d
