"""The scale S of a function that no formula is known for: how far its own rounding throws it.

The function runs in the dtype under test on inputs, and with an upstream gradient, that are
disturbed by a rounding error each. What comes out scatters around the exact result for two
reasons: the function passes the disturbance on, and it rounds at every step inside. Both are what
no implementation of the same formula can avoid. S is how far the furthest lies off, in eps, plus
the size of the result itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from npformer.cards.case import Array, Case, Result, is_output
from npformer.cards.values import in_layout, layout_of

TRIALS = 4
ACCEPT = 1000.0
"""Right up to here. The trials are few, and now and then none shows how badly a sum cancels; a
wrong formula is off by millions, and single precision in place of double by hundreds of them."""
SHARE = 0.1
"""Of the largest gradient of the case, what the scale of every gradient is at least: that of a
saturated softmax's input is nothing but rounding, of terms that went into the others."""
RATIO = 2.0
"""Further off is right up to this many times the reference's own error."""


def measured_scales(
    reference: Callable[[Case], Result],
    case: Case,
    exact: Result,
    subject: Callable[[Case], Result] | None = None,
) -> Result:
    """S of every entry of ``exact``, which ``reference`` computes in the case's own dtype.

    The subject's scatter counts too, around its own result: where terms cancel, a reference may be
    exactly 0 by luck of its formula. A result that is wrong every time does not scatter.
    At a kink or a tie the scatter is the height of the jump: there is no right result to miss.
    """
    fp = np.finfo(case.dy.dtype)
    with np.errstate(all="ignore"):
        scatter = _scatter(reference, case, exact)
        if subject is not None:
            for name, own in _scatter(subject, case, subject(case)).items():
                if name in scatter and np.shape(own) == np.shape(scatter[name]):
                    finite = np.where(np.isfinite(own), own, 0.0)
                    scatter[name] = np.maximum(scatter[name], finite)
        largest = max((_largest(a) for n, a in exact.items() if not is_output(n)), default=0.0)
        floor = SHARE * largest + float(fp.tiny)
        return {
            n: _scale(exact[n], each, float(fp.tiny) if is_output(n) else floor)
            for n, each in scatter.items()
        }


def _scatter(run: Callable[[Case], Result], case: Case, around: Result) -> Result:
    """How far off the furthest trial is, in eps."""
    eps = float(np.finfo(case.dy.dtype).eps)
    found = {name: np.zeros(np.shape(a)) for name, a in around.items()}
    for trial in range(TRIALS):
        result = run(disturbed(case, np.random.default_rng(trial), eps))
        for name, furthest in found.items():
            if name in result:
                off = np.asarray(result[name], np.float64) - np.asarray(around[name], np.float64)
                np.maximum(furthest, np.abs(off) / eps, out=furthest)
    return found


def _largest(array: Array) -> float:
    finite = np.abs(array)[np.isfinite(array)]
    return float(finite.max(initial=0.0))


def _scale(exact: Array, scatter: Array, floor: float) -> Array:
    # An entry may round to nothing by luck: none scatters less than half of those that do.
    known = scatter[np.isfinite(scatter) & (scatter > 0)]
    usual = float(np.quantile(known, 0.5, method="lower")) if known.size else 0.0
    size = np.abs(np.asarray(exact, np.float64)) + np.maximum(scatter, usual)
    # Where the reference itself overflows, it cannot judge.
    return np.where(np.isfinite(size), size, 1e300) + floor


def disturbed(case: Case, rng: np.random.Generator, eps: float) -> Case:
    """The case with every number off by about eps of itself, and by a hundredth of its array's."""

    def move(array: Array) -> Array:
        wide = np.asarray(array, np.float64)
        size = float(np.sqrt(np.mean(np.square(wide)))) if wide.size else 0.0
        reach = np.abs(wide) + (0.01 * size if 0 < size < np.inf else 1.0)
        moved = wide + eps * reach * rng.standard_normal(wide.shape)
        # In the same layout: PyTorch takes another way through memory of another order.
        return in_layout(np.asarray(moved, array.dtype, order="C"), layout_of(array))

    moved = case.with_inputs({n: move(a) for n, a in case.inputs.items()})
    return moved.with_upstream({n: move(a) for n, a in case.upstream.items()})
