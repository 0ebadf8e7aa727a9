"""Error in rounding units, and what passes.

    err = max |a - ref| / (eps * S)

eps is the machine epsilon of the dtype under test, and S, the condition scale, is the size of the
terms that were added and subtracted to make the result: the op evaluated on absolute values, with
its condition factor (``scales``). A dot product that cancels to nearly nothing may have an error of
eps times the sum of its absolute terms, and no implementation can do better; so measured, a correct
op has errors of 0 to 4 whatever its inputs, while plain relative error is either loose or flaky.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import functools

import numpy as np

Array = np.ndarray

ACCEPT = 4.0
"""Errors up to this, in rounding units, pass."""
RATIO = 2.0
"""Larger ones pass only up to this many times PyTorch's own error ..."""
CAP = 8.0
"""... and never beyond this."""


def error_units(a: Array, ref: Array | float, scale: Array | float, dtype: np.dtype) -> Array:
    """|a - ref| / (eps * scale) elementwise, in eps of ``dtype``; inf where ``a`` is no number.

    An infinity is right where the exact value rounds to it in ``dtype``. A NaN that both have
    counts as no error; ``comparable`` tells it from a number that was compared.
    """
    eps, end, half = _limits(dtype)
    a, ref, scale = map(np.asarray, (a, ref, scale))
    with np.errstate(all="ignore"):
        # Nearly always every number is an ordinary one. Then only the difference needs the widest
        # dtype that is given, and float64 is enough for the rest, in a third of the time.
        apart = np.abs(np.subtract(a, ref, dtype=np.result_type(a, ref, np.float64)))
        plain = scale.astype(np.float64)
        units = np.where(apart == 0, 0, apart.astype(np.float64) / plain / eps)
        if np.isfinite(units + plain).all() and not (np.abs(ref) > half).any():
            return units
        a, ref, scale = (each.astype(np.longdouble) for each in (a, ref, scale))
        # Past the largest number, and within rounding of it, a value and an infinity are the same.
        high = np.minimum(np.abs(a), np.abs(ref)) > end / 2
        a, ref = (np.where(high, np.clip(each, -end, end), each) for each in (a, ref))
        units = np.abs(a - ref) / (eps * scale)
        # A scale that is no number excuses nothing.
        units = np.where(np.isfinite(units) & np.isfinite(scale), units, np.inf)
        same = (a == ref) | (np.isnan(a) & np.isnan(ref))
        return np.where(same, 0.0, units).astype(np.float64)


@functools.cache
def _limits(dtype: np.dtype) -> tuple[np.floating, np.longdouble, float]:
    """Its eps, the value from which on rounding gives infinity, and half of that."""
    fp = np.finfo(dtype)
    end = np.longdouble(fp.max) * (1 + np.longdouble(fp.eps) / 2)
    return fp.eps, end, float(end / 2)


def comparable(a: Array, ref: Array | float) -> Array:
    """Where a comparison says something: nowhere that both are NaN."""
    return np.asarray(~(np.isnan(a) & np.isnan(ref)))


def worst(units: Array) -> float:
    """The largest of ``units``; 0 for an empty array."""
    return float(units.max(initial=0.0))


def acceptable(ours: float, pytorch: float) -> bool:
    """Whether ``ours`` is right, given PyTorch's own error on the same case."""
    return ours <= ACCEPT or ours <= min(RATIO * pytorch, CAP)
