"""The scale S of a function that no formula is known for: how far its own rounding throws it.

The reference runs in the dtype under test on inputs, and with an upstream gradient, that are
disturbed by a rounding error each. What comes out scatters around the exact result for two
reasons: the function passes the disturbance on, and it rounds at every step inside. Both are what
no implementation of the same formula can avoid. S is how far the furthest lies off, in eps, plus
the size of the result itself. What is judged has no part in its own unit.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from npformer.cards.case import Array, Case, Result, is_output
from npformer.cards.values import in_layout, layout_of, stored

TRIALS = 4
CAREFUL = 32
"""Trials before anything is called wrong: of 4, now and then none shows how badly a sum cancels."""
ACCEPT = 32.0
"""Right up to here: right functions that sum in another order stay below 8. An error of one part in
ten thousand is hundreds in float32, a wrong formula millions."""
SHARE = 0.1
"""Of the largest gradient of the case, what the scale of every gradient is at least: that of a
saturated softmax's input is nothing but rounding, of terms that went into the others."""
RATIO = 2.0
"""Further off is right up to this many times the reference's own error."""


def measured_scales(
    reference: Callable[[Case], Result],
    case: Case,
    exact: Result,
    trials: int = TRIALS,
    eps: float = 0.0,
    least: float = 0.0,
) -> Result:
    """S of every entry of ``exact``, which ``reference`` computes in the case's own dtype.

    At a kink or a tie the scatter is the height of the jump: there is no right result to miss.
    ``eps`` is of the disturbance, and the unit of S: the case's dtype's unless given. Numbers below
    ``least`` are rounded as ``least`` is: where a format's range ends, and not its digits.
    """
    fp = np.finfo(case.dy.dtype)
    with np.errstate(all="ignore"):
        scatter = _scatter(reference, case, exact, trials, eps or float(fp.eps), least)
        largest = max(
            (_largest(a, float(fp.max)) for n, a in exact.items() if not is_output(n)), default=0.0
        )
        smallest = float(fp.tiny) + least
        return {
            n: _scale(exact[n], each, smallest + (0.0 if is_output(n) else SHARE * largest))
            for n, each in scatter.items()
        }


def _scatter(
    run: Callable[[Case], Result],
    case: Case,
    around: Result,
    trials: int,
    eps: float,
    least: float,
) -> Result:
    """How far off the furthest trial is, in eps. A trial that ``run`` refuses is drawn again."""
    found = {name: np.zeros(np.shape(a)) for name, a in around.items()}
    for result in _taken(run, case, trials, eps, least):
        for name, furthest in found.items():
            if name in result:
                off = np.asarray(result[name], np.float64) - np.asarray(around[name], np.float64)
                np.maximum(furthest, np.abs(off) / eps, out=furthest)
    return found


def _taken(
    run: Callable[[Case], Result], case: Case, trials: int, eps: float, least: float
) -> Iterable[Result]:
    done = 0
    for trial in range(4 * trials):
        if done == trials:
            return
        try:
            yield run(disturbed(case, np.random.default_rng(trial), eps, least))
        except Exception:  # the case is at the end of its domain
            continue
        done += 1


def _largest(array: Array, end: float) -> float:
    size = np.abs(array)
    return float(size[size <= end].max(initial=0.0))


def _scale(exact: Array, scatter: Array, floor: float) -> Array:
    # An entry may round to nothing by luck: none scatters less than half of those that do.
    known = scatter[np.isfinite(scatter) & (scatter > 0)]
    usual = float(np.quantile(known, 0.5, method="lower")) if known.size else 0.0
    size = np.abs(np.asarray(exact, np.float64)) + np.maximum(scatter, usual)
    # Where the reference itself overflows, it cannot judge.
    return np.where(np.isfinite(size), size, 1e300) + floor


def disturbed(case: Case, rng: np.random.Generator, eps: float, least: float = 0.0) -> Case:
    """The case with every number off by about eps of itself, and by a hundredth of its array's.

    Or by eps of ``least``, if that is more.
    """

    def move(array: Array) -> Array:
        wide = np.asarray(array, np.float64)
        size = float(np.sqrt(np.mean(np.square(wide)))) if wide.size else 0.0
        reach = np.abs(wide) + (0.01 * size if 0 < size < np.inf else 1.0) + least
        moved = wide + eps * reach * rng.standard_normal(wide.shape)
        plain = np.asarray(moved, array.dtype, order="C")
        if stored(array).size < array.size:  # where numbers repeat in memory, each moves alone
            return plain
        # In the same layout: PyTorch takes another way through memory of another order.
        return in_layout(plain, layout_of(array))

    moved = case.with_inputs({n: move(a) for n, a in case.inputs.items()})
    return moved.with_upstream({n: move(a) for n, a in case.upstream.items()})
