"""The derivative of a forward entry by entry, from which the gradient for any dy follows.

Most forwards keep axes apart: a row of y depends on the same row of x alone, and a column on one
entry of a weight. What is apart is moved at once, which costs as much as one entry does: one entry
of every row of x, and all of the weight. Where rows are apart, many such copies go in as further
rows, so that one call does for many entries. A derivative in a random direction then says whether
they are apart indeed, and if they are not, every entry is moved alone.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from npformer.verify.reference.apart import STEP, Array, Function, Pairs, axes_apart
from npformer.verify.work import spend

MOST = 2**22
"""Entries of a Jacobian that are kept, at most: 32 MB."""
TOGETHER = 2**16
"""Entries of the arrays that go into one call with many copies of the rows."""
SAME = 1e-8
"""Of the largest entry, by how much two derivatives may differ, rounding aside."""
ROUNDING = 4 * float(np.finfo(np.float64).eps)
"""Of the largest output, by how much one may be off; a derivative by that, divided by the step."""

Index = tuple[Any, ...]
"""An index into an array: a number an axis, or a slice for all of an axis that is apart."""
Moved = Iterator[tuple[Index, Array]]
"""Places, and the derivative of y by what stands there."""


class _Forward(NamedTuple):
    """What is differentiated, and where."""

    function: Function
    arrays: list[Array]
    step: float
    apart: list[Pairs]
    """Of each array."""

    @classmethod
    def of(cls, function: Function, arrays: Sequence[Array], step: float) -> _Forward:
        copies = [np.array(a, np.float64) for a in arrays]
        return cls(function, copies, step, [axes_apart(function, copies, a) for a in copies])

    @property
    def y(self) -> Array:
        y = np.array(self.function(*self.arrays))
        spend(y.size + sum(a.size for a in self.arrays))
        return y


def jacobian(function: Function, arrays: Sequence[Array], step: float = STEP) -> list[Array]:
    """For each array (N entries) the matrix (N, entries of y), by central differences in float64.

    Two evaluations for what can be moved at once, as for the gradient of one dy.
    """
    forward = _Forward.of(function, arrays, step)
    shape = forward.y.shape

    def matrix(array: Array, pairs: Pairs, moved: Moved) -> Array:
        whole = np.zeros((*array.shape, *shape))
        rows, columns = _letters(array.ndim, len(shape), pairs)
        alone = "".join(letter for letter in rows if letter not in columns)
        # A view; of an array without axes, einsum makes a number.
        diagonal = np.einsum(f"{rows}{columns}->{alone}{columns}", whole) if whole.ndim else whole
        for place, d in moved:
            diagonal[tuple(at for at in place if not isinstance(at, slice))] = d
        return whole.reshape(array.size, -1)

    return _each(forward, matrix, lambda whole, v: v.ravel() @ whole, np.ravel, 1.0)


def gradients(
    function: Function, arrays: Sequence[Array], dy: Array, step: float = STEP
) -> list[Array]:
    """The gradients of <dy, function(*arrays)>, as ``jacobian``, without keeping one."""

    def gradient(array: Array, pairs: Pairs, moved: Moved) -> Array:
        dx = np.zeros_like(array)
        rows, columns = _letters(array.ndim, dy.ndim, pairs)
        kept = "".join(letter for letter in rows if letter in columns)
        for place, d in moved:
            dx[place] = np.einsum(f"{columns}->{kept}", d * dy)
        return dx

    forward = _Forward.of(function, arrays, step)

    def along(dx: Array, v: Array) -> Any:
        return np.sum(dx * v)

    # Of equal numbers all may be off alike: the errors of a sum do not cancel.
    return _each(forward, gradient, along, lambda d: np.sum(d * dy), float(np.abs(dy).sum()))


def _letters(of_array: int, of_y: int, pairs: Pairs) -> tuple[str, str]:
    """A letter for each axis, the same for two that are apart together."""
    rows = string.ascii_lowercase[:of_array]
    columns = list(string.ascii_uppercase[:of_y])
    for i, j in pairs:
        columns[j] = rows[i]
    return rows, "".join(columns)


def _each(
    forward: _Forward,
    collect: Callable[[Array, Pairs, Moved], Array],
    along: Callable[[Array, Array], Any],
    expected: Callable[[Array], Any],
    summed: float,
) -> list[Array]:
    """What ``collect`` makes of each array's derivatives, moved in the cheapest way that holds.

    Where axes are taken to be apart, ``along`` a random direction of the array it has to be what is
    ``expected`` of the derivative of y, up to the rounding of so many entries as are ``summed``.
    """
    found = []
    for array, pairs in zip(forward.arrays, forward.apart, strict=True):
        if pairs:
            v, d, rounding = _random_direction(forward, array)
            for moved in (_moved_in_copies, _moved):
                whole = collect(array, pairs, moved(forward, array, pairs))
                allowed = SAME * float(np.abs(whole).max(initial=0.0)) + summed * rounding
                if np.abs(along(whole, v) - expected(d)).max(initial=0.0) <= allowed:
                    break
            else:
                pairs = ()
        if not pairs:
            whole = collect(array, (), _moved(forward, array, ()))
        found.append(whole)
    return found


def _places(array: Array, pairs: Pairs) -> list[Index]:
    whole = [i for i, _ in pairs]
    axes = [[slice(None)] if i in whole else range(n) for i, n in enumerate(array.shape)]
    return list(itertools.product(*axes))


def _moved(forward: _Forward, array: Array, pairs: Pairs) -> Moved:
    """Index by place, with two calls each."""
    step = forward.step
    for place in _places(array, pairs):
        before = np.array(array[place])
        array[place] = before + step
        above = forward.y
        array[place] = before - step
        below = forward.y
        array[place] = before
        yield place, (above - below) / (2 * step)


def _moved_in_copies(forward: _Forward, array: Array, pairs: Pairs) -> Moved:
    """Many places in one call, in as many copies of the rows; none where rows are not apart."""
    places, y = _places(array, pairs), forward.y
    if (0, 0) not in pairs or len(places) == 1:
        return
    number = max(1, TOGETHER // max(array.size, y.size))
    for start in range(0, len(places), number):
        chunk = places[start : start + number]
        try:
            found = _copies(forward, array, y, chunk)
        except Exception:  # a function of so many rows alone: the next way will do
            return
        yield from zip(chunk, found, strict=True)


def _copies(forward: _Forward, array: Array, y: Array, places: Sequence[Index]) -> Array:
    """The derivatives of y by each place: a copy of the rows each.

    ``y`` has the output's shape. Raises ``ValueError`` if the copies do not come back as as many
    rows.
    """
    number, rows, step = len(places), len(array), forward.step
    whole = [
        np.concatenate([a] * number) if (0, 0) in pairs else a
        for a, pairs in zip(forward.arrays, forward.apart, strict=True)
    ]
    moved = next(w for w, a in zip(whole, forward.arrays, strict=True) if a is array)
    found = []
    for sign in (1, -1):
        for i, place in enumerate(places):
            moved[(slice(i * rows, (i + 1) * rows), *place[1:])] = array[place] + sign * step
        found.append(np.array(forward.function(*whole)))
        spend(found[-1].size + sum(a.size for a in whole))
    if any(each.shape != (number * len(y), *y.shape[1:]) for each in found):
        raise ValueError("the rows are not apart")
    above, below = (each.reshape(number, *y.shape) for each in found)
    return np.asarray((above - below) / (2 * step))


def _random_direction(forward: _Forward, array: Array) -> tuple[Array, Array, float]:
    """A direction, the derivative of y along it, and what rounding may do to an entry of that."""
    step = forward.step
    v = np.random.default_rng(0).standard_normal(array.shape)
    before = array.copy()
    array += step * v
    above = forward.y
    array[...] = before - step * v
    d = (above - forward.y) / (2 * step)
    array[...] = before
    return v, d, ROUNDING * float(np.abs(above).max(initial=0.0)) / step
