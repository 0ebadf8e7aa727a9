"""A second look at an error that is too large: mistake, or rounding that the reference was spared?

Where terms cancel, a reference may be exact by luck of its formula. So the error is looked at on
inputs a little further off: that of a wrong formula moves with them, while rounding is drawn anew.
And the same case is run in the other precision, because rounding grows and shrinks with eps, while
a mistake stays as large as it is. An error that does both is rounding, and its spread is the unit.
A variance from the mean of squares loses digits that one in two passes keeps, and is not wrong. Nor
is a function whose reference loses them: 1 + erf has none in its left tail, in float64 from -8 on
and in float32 from -6 on, and where all inputs are in it no other entry shows the scatter. Of a
function that knows one precision alone, the spread counts up to ``CAP`` times the reference's
scale.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.verify.units.error import error_units, worst
from npformer.verify.units.measured import ACCEPT, TRIALS, disturbed

OFF = 2.0**-10
"""How far off, of their size, the inputs are on which the error is looked at again."""
AGAIN = 16
ALIKE = (1e-5, 1e3)
"""Units in the other precision. A mistake of 1 unit here is 2e-9 of float32's, 5e8 of float64's."""
LOST = 0.1
CAP = 30.0

Run = Callable[[Case], Result]


def own_scale(
    run: Run,
    exact_of: Run,
    case: Case,
    name: str,
    exact: Array,
    scale: Array,
    witness: Run | None = None,
) -> Array | None:
    """S with the spread of the function's own error in it, if that may excuse it; None if not.

    Args:
        run: the function under test.
        exact_of: the exact results of a case in either precision.
        case: on which it is off.
        name: of the result.
        exact: what it should be.
        scale: S without the function's own error.
        witness: the reference in the case's own precision, whose rounding the error may be as well.
    """
    own = np.maximum(scale, spread(run, exact_of, case, name))
    try:
        units = error_units(run(case)[name], exact, scale, case.dy.dtype)
    except Exception:  # it draws back on a second call
        return None
    asked = (own > scale) & (units > ACCEPT)
    if not asked.any():
        return own  # which excuses nothing
    other = in_other_precision(run, exact_of, case, name, own, asked)
    if other is None:
        # Nothing but rounding is left of a result that is exactly 0.
        return own if not exact.any() else np.minimum(own, CAP * scale)
    if not ALIKE[0] <= other <= ALIKE[1] and witness is not None:
        other = in_other_precision(witness, exact_of, case, name, own, asked) or 0.0
    return own if ALIKE[0] <= other <= ALIKE[1] else None


def spread(
    run: Run, exact_of: Run, case: Case, name: str, off_by: float = OFF, least: float = 0.0
) -> Array:
    """How far the error of each entry is from its mean over inputs near by, in eps."""
    errors = errors_near(run, exact_of, case, name, off_by, least)
    if not len(errors):
        return np.zeros(())
    found = np.abs(errors - np.mean(errors, axis=0)).max(axis=0) / np.finfo(case.dy.dtype).eps
    return at_least_usual(found)


def of_noise(scale: Array, exact: Array, dtype: Any) -> Array:
    """S, or the largest of all entries for each where most have no digit left.

    Where rounding is larger than the result, how much of it an entry gets is chance: a determinant
    of 1025 columns of rank 3 has gradients in float32 that are rounding alone.
    """
    lost = (exact != 0) & (scale * np.finfo(dtype).eps > np.abs(exact))
    return np.full_like(scale, scale.max()) if lost.size and lost.mean() > 0.5 else scale


def at_least_usual(scatter: Array) -> Array:
    """With the median of those that scatter in place of less: one may round to nothing by luck."""
    seen = scatter[scatter > 0]
    return np.maximum(scatter, np.median(seen) if seen.size else 0.0)


def errors_near(
    run: Run, exact_of: Run, case: Case, name: str, reach: float, least: float = 0.0
) -> Array:
    """What a result is off by on inputs that are ``reach`` of their size away, trial by trial.

    Their size counts as ``least`` at least.
    """
    errors = []
    for trial in range(AGAIN):
        near = disturbed(case, np.random.default_rng(trial), reach, least)
        if trial % 2:  # where numbers are equal, the error may be of another entry near by
            near = case.with_upstream(near.upstream)
        try:
            off = np.asarray(run(near)[name] - exact_of(near)[name], np.float64)
        except Exception:  # this trial is lost
            continue
        if np.isfinite(off).all():
            errors.append(off)
    return np.array(errors)


def _is_lost(ours: Array, exact: Array) -> bool:
    """Whether float32 keeps no digit of any of them: their errors end at about their own size."""
    off, size = np.abs(ours - exact), np.abs(exact)
    return bool(((LOST * size <= off) & (off <= 2 * size)).all())


def in_other_precision(
    run: Run, exact_of: Run, case: Case, name: str, scale: Array, asked: Array
) -> float | None:
    """The worst error of the entries asked for there, in units of there.

    None if the function knows one precision alone.
    """
    dtype: np.dtype[Any] = np.dtype("float32" if case.dy.dtype == np.float64 else "float64")
    errors, moved = [], case.cast(dtype)
    for trial in range(TRIALS):
        try:
            ours = np.asarray(run(moved)[name])
            if ours.dtype != dtype:
                return None
            exact = exact_of(moved)[name]
            units = error_units(ours, exact, scale, dtype)
            # What rounds to 0 in one precision need not in the other: the rest is not asked.
            errors.append(worst(units[asked]))
            if dtype == np.float32 and _is_lost(ours[asked], exact[asked]):
                errors.append(1.0)
        except Exception:  # this trial is lost
            continue
        finally:
            # So far that the numbers fill the other precision: half of one would be exact there.
            moved = disturbed(case.cast(dtype), np.random.default_rng(trial), OFF)
    return max(errors) if errors else None
