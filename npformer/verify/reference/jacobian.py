"""The derivative of a forward entry by entry, from which the gradient for any dy follows.

Most forwards treat the rows of their first axis alike and apart. There an entry of every row is
moved at once, which costs as much as one, and many such copies go in as further rows, so that one
call does for many entries. A derivative in a random direction then says whether the rows are apart
indeed, and if they are not, every entry is moved alone.
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
TOGETHER = 2**16
"""Entries of the arrays that go into one call with many copies of the rows."""
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
        dx = _gradient_by_rows(function, arrays, array, dy, step)
        if dx is None:
            dx = np.zeros_like(array)
            for at, d in _moved(function, arrays, array, step):
                dx[at] = np.sum(d * dy)
        found.append(dx)
    return found


def _gradient_by_rows(
    function: Function, arrays: Sequence[Array], array: Array, dy: Array, step: float
) -> Array | None:
    """The gradient where each row of y depends on the same row of ``array`` alone; None if not."""
    if not _may_be_apart(array, dy):
        return None
    v, d = _random_direction(function, arrays, array, step)
    for moved in (_moved_in_copies, _moved_in_rows):
        dx = np.zeros_like(array)
        for at, each in moved(function, arrays, array, step, dy):
            place: Any = (slice(None), *at)
            dx[place] = (each * dy).reshape(len(dy), -1).sum(1)
        if _same(np.sum(dx * v), np.sum(dy * d), float(np.abs(dx).max(initial=0.0))):
            return dx
    return None


def _by_rows(
    function: Function, arrays: Sequence[Array], array: Array, step: float
) -> Array | None:
    """The matrix where each row of y depends on the same row of ``array`` alone; None if not."""
    y = np.asarray(function(*arrays))
    if not _may_be_apart(array, y):
        return None
    rows, width = len(y), y[0].size
    v, direction = _random_direction(function, arrays, array, step)
    for moved in (_moved_in_copies, _moved_in_rows):
        whole = np.zeros((rows, array[0].size, rows, width))
        for j, (_, d) in enumerate(moved(function, arrays, array, step, y)):
            whole[np.arange(rows), j, np.arange(rows)] = d.reshape(rows, width)
        whole = whole.reshape(array.size, y.size)
        if _same(v.ravel() @ whole, direction.ravel(), float(np.abs(whole).max())):
            return whole
    return None


def _may_be_apart(array: Array, y: Array) -> bool:
    return array.ndim > 1 and y.ndim > 0 and len(y) == len(array) > 1 and array.size > 0 < y.size


def _same(a: Array, b: Array, size: float) -> bool:
    return bool(np.abs(a - b).max() <= SAME * size)


Moved = Iterator[tuple[tuple[int, ...], Array]]
"""Indices into an array, or into each of its rows, and the derivative of y by that entry."""


def _moved_in_copies(
    function: Function, arrays: Sequence[Array], array: Array, step: float, y: Array
) -> Moved:
    """By every entry of a row, for all rows at once and many entries in one call.

    ``y`` has the output's shape.
    """
    places = list(np.ndindex(array.shape[1:]))
    number = max(1, TOGETHER // max(array.size, y.size))
    for i in range(0, len(places), number):
        chunk = places[i : i + number]
        try:
            found = _copies(function, arrays, array, step, y, chunk)
        except Exception:  # a function of so many rows alone: the next way will do
            return
        yield from zip(chunk, found, strict=True)


def _moved_in_rows(
    function: Function, arrays: Sequence[Array], array: Array, step: float, y: Array
) -> Moved:
    """By every entry of a row, for all rows at once."""
    return _moved(function, arrays, array, step, rows=True)


def _copies(
    function: Function,
    arrays: Sequence[Array],
    array: Array,
    step: float,
    y: Array,
    places: Sequence[tuple[int, ...]],
) -> Array:
    """The derivatives of y by one entry of every row, for each place: a copy of the rows each.

    Raises ``ValueError`` if the copies do not come back as as many rows.
    """
    number = len(places)
    whole = [np.concatenate([a] * number) if _may_be_apart(a, y) else a for a in arrays]
    moved = next(w for w, a in zip(whole, arrays, strict=True) if a is array)
    found = []
    for sign in (1, -1):
        for i, at in enumerate(places):
            rows: Any = (slice(i * len(array), (i + 1) * len(array)), *at)
            column: Any = (slice(None), *at)
            moved[rows] = array[column] + sign * step
        found.append(np.array(function(*whole)))
    shape = (number, *y.shape)
    if any(each.shape != (number * len(y), *y.shape[1:]) for each in found):
        raise ValueError("the rows are not apart")
    above, below = (each.reshape(shape) for each in found)
    return np.asarray((above - below) / (2 * step))


def _moved(
    function: Function, arrays: Sequence[Array], array: Array, step: float, rows: bool = False
) -> Moved:
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
