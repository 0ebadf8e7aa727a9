"""A second look at an error that is too large: mistake, or rounding of an unstable formula?

Rounding shrinks with eps, and a mistake does not. So the same case is run in the other precision:
an error that is the same number of units there is rounding, and then the function's own scatter
counts as its unit. A variance from the mean of squares loses digits that one in two passes keeps,
and is not wrong. A function that knows one precision alone cannot be asked; its own scatter counts
up to ``CAP`` times the reference's.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.verify.units.error import error_units, worst
from npformer.verify.units.measured import CAREFUL, disturbed, measured_scales

FACTOR = 100.0
"""Rounding errors of one formula in two precisions are this near, in units; mistakes 1e8 apart."""
CAP = 30.0

Run = Callable[[Case], Result]


def own_scale(
    run: Run, exact_of: Run, case: Case, name: str, error: Array, scale: Array
) -> Array | None:
    """S with the function's own scatter in it, if that may excuse the error; None if not.

    Args:
        run: the function under test.
        exact_of: the exact results of a case in either precision.
        case: on which it is off.
        name: of the result.
        error: of every entry of it.
        scale: S without the function's own scatter.
    """
    try:
        own = measured_scales(run, case, run(case), CAREFUL)[name]
    except Exception:
        return None
    here = worst(np.abs(error) / (np.finfo(case.dy.dtype).eps * scale))
    other = in_other_precision(run, exact_of, case, name, scale, here / FACTOR)
    if other is None:
        return np.maximum(scale, np.minimum(own, CAP * scale))
    alike = here <= FACTOR * max(other, 1.0) and other <= FACTOR * here
    return np.maximum(scale, own) if alike else None


def in_other_precision(
    run: Run, exact_of: Run, case: Case, name: str, scale: Array, enough: float
) -> float | None:
    """The worst error there, in units of there; None if the function knows one precision alone.

    An entry may be exact by luck: the case is disturbed until an error reaches ``enough``.
    """
    dtype: np.dtype[Any] = np.dtype("float32" if case.dy.dtype == np.float64 else "float64")
    eps = float(np.finfo(dtype).eps)
    found, moved = None, case.cast(dtype)
    for trial in range(CAREFUL):
        try:
            ours = np.asarray(run(moved)[name])
            if ours.dtype != dtype:
                return None
            off = worst(error_units(ours, exact_of(moved)[name], scale, dtype))
            found = max(found or 0.0, off)
            if off >= enough:
                break
        except Exception:
            if found is None and trial == CAREFUL // 4:
                return None
        moved = disturbed(case.cast(dtype), np.random.default_rng(trial), eps)
    return found
