"""What goes into an array that is to find a fault: kinds of values, magnitudes, memory layouts.

A gradient that is right for well-behaved numbers in a fresh C-ordered array may be wrong for a
row of equal values, for 1e-42, or for a view with a negative stride. Everything here is a plain
function of a ``numpy.random.Generator``; where the choices come from is ``strategies``' affair.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

KINDS = ("generic", "constant rows", "zeros", "ties", "one large")
LAYOUTS = ("C", "Fortran", "strided", "reversed", "read-only", "slice", "transposed", "expanded")

# Powers of ten: float64's subnormals, float32's, and so on up to 1e30.
EXPONENTS = (4, -8, 10, -20, 18, 30, -38, -42, -310)


def make_values(
    rng: np.random.Generator, shape: tuple[int, ...], kind: str, dtype: np.dtype
) -> Array:
    """An array (shape) of ``dtype`` with values of one of ``KINDS``, of magnitude about 1."""
    if kind == "zeros":
        return np.zeros(shape, dtype)
    values = np.asarray(rng.standard_normal(shape))
    if kind == "constant rows" and values.ndim:
        values[...] = values[..., :1]
    elif kind == "ties":
        values = np.asarray(rng.integers(-2, 3, shape), np.float64)
    elif kind == "one large" and values.size:
        values *= 1e-3
        values.flat[rng.integers(values.size)] = 50.0
    return values.astype(dtype)


def at_magnitude(values: Array, exponent: int) -> Array:
    """``values`` times 10 ** exponent, rounded once to their own dtype."""
    with np.errstate(under="ignore"):
        scaled = values.astype(np.longdouble) * np.longdouble(10) ** exponent
        return np.asarray(scaled.astype(values.dtype))


def layout_of(array: Array) -> str:
    """Which of ``LAYOUTS`` the memory of ``array`` has; writeable or not is left out."""
    if array.size < 2 or (array.flags.c_contiguous and not offset_of(array)):
        return "C"
    if stored(array).size < array.size:
        return "expanded"
    if any(stride < 0 for stride in array.strides):
        return "reversed"
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        return "Fortran"
    if array.ndim > 1 and array.swapaxes(-1, -2).flags.c_contiguous:
        return "transposed"
    return "slice" if array.strides[-1] == array.itemsize else "strided"


def in_layout(array: Array, layout: str) -> Array:
    """An array equal to ``array`` whose memory is laid out as one of ``LAYOUTS`` says.

    "expanded" repeats one number in memory along every axis on which ``array`` is constant.
    """
    if layout == "Fortran" and array.ndim:
        return np.asfortranarray(array)
    if layout == "transposed" and array.ndim > 1:
        return np.ascontiguousarray(array.swapaxes(-1, -2)).swapaxes(-1, -2)
    if layout == "strided" and array.ndim:
        wide = _gap((*array.shape[:-1], 2 * array.shape[-1] + 1), array.dtype)
        wide[..., 1::2] = array
        return wide[..., 1::2]
    if layout == "slice" and array.ndim:
        inside = (slice(1, -1),) * array.ndim
        wide = _gap(tuple(n + 2 for n in array.shape), array.dtype)
        wide[inside] = array
        return wide[inside]
    if layout == "expanded" and array.size:
        once = array
        for axis in range(array.ndim):
            first = once.take([0], axis)
            if np.array_equal(np.broadcast_to(first, once.shape), once):
                once = first
        return repeated(np.ascontiguousarray(once).reshape(once.shape), array.shape)
    if layout == "reversed" and array.ndim:
        turn = (slice(None, None, -1),) * array.ndim
        return np.ascontiguousarray(array[turn])[turn]
    if layout == "read-only":
        fixed = array.copy()
        fixed.flags.writeable = False
        return fixed
    return np.ascontiguousarray(array) if array.ndim else array


def _gap(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """What lies around a view: an op that reads past it shows it."""
    return np.full(shape, np.nan if dtype.kind == "f" else 0, dtype)


def stored(array: Array) -> Array:
    """The entries that are in memory, once each: of axes that repeat one number, the first."""
    repeats = (array.size and stride == 0 for stride in array.strides)
    return array[tuple(slice(None, 1) if each else slice(None) for each in repeats)]


def repeated(once: Array, shape: tuple[int, ...]) -> Array:
    """``once`` as an array (shape) that repeats its numbers in memory; one may write to it."""
    strides = np.broadcast_to(once, shape).strides
    return np.lib.stride_tricks.as_strided(once, shape, strides)


def offset_of(array: Array) -> int:
    """Where the array starts in the buffer that it is a part of, in entries; 0 for its own."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    start = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    return int(start) // array.itemsize
