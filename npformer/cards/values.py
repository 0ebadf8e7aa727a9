"""What goes into an array that is to find a fault: kinds of values, magnitudes, memory layouts.

A gradient that is right for well-behaved numbers in a fresh C-ordered array may be wrong for a
row of equal values, for 1e-42, or for a view with a negative stride. Everything here is a plain
function of a ``numpy.random.Generator``; where the choices come from is ``strategies``' affair.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

KINDS = ("generic", "constant rows", "zeros", "ties", "one large")
LAYOUTS = ("C", "Fortran", "strided", "reversed", "read-only")

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
    if array.flags.c_contiguous or array.size < 2:
        return "C"
    if any(stride < 0 for stride in array.strides):
        return "reversed"
    return "Fortran" if array.flags.f_contiguous else "strided"


def in_layout(array: Array, layout: str) -> Array:
    """An array equal to ``array`` whose memory is laid out as one of ``LAYOUTS`` says."""
    if layout == "Fortran" and array.ndim:
        return np.asfortranarray(array)
    if layout == "strided" and array.ndim:
        gap = np.nan if array.dtype.kind == "f" else 0  # an op that reads past its view shows it
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1] + 1), gap, array.dtype)
        wide[..., 1::2] = array
        return wide[..., 1::2]
    if layout == "reversed" and array.ndim:
        turn = (slice(None, None, -1),) * array.ndim
        return np.ascontiguousarray(array[turn])[turn]
    if layout == "read-only":
        fixed = array.copy()
        fixed.flags.writeable = False
        return fixed
    return np.ascontiguousarray(array) if array.ndim else array
