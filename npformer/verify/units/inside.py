"""The precision that a function computes in, if that is less than the one that it takes and gives.

A float32 kernel may multiply in bfloat16, and is then right to bfloat16's rounding. Its forward
shows it, in two ways: no output is off by more than that rounding explains, and the error is drawn
anew when the inputs move by a few of its units. The error of a wrong formula moves with them.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from npformer.cards.case import Array, Case, Result, is_output
from npformer.verify.units.measured import disturbed, measured_scales
from npformer.verify.units.sixteen import EPS

LARGEST = {"float16": 65504.0}
"""Beyond, there is an infinity; the range of bfloat16 is float32's."""
TINY = {"float16": 2.0**-14}
"""Below, rounding is absolute: of what goes in, which may be multiplied later, as of the result."""
ACCEPT = 6.0
"""Errors up to this, in units of that precision, pass: with so few digits 32 would say little. Sums
that are kept in it reach 5; a gradient that is 20 % too large is 12 off."""
LEAST, MOST = 0.03, 0.5
"""Between them is the usual error in units of the right precision, which is near 0.12."""
CASES = 12

Run = Callable[[Case], Result]


def computes_in(run: Run, reference: Run, cases: Sequence[Case]) -> str:
    """The name of the precision, of ``EPS``; empty where there is no sign of one."""
    chosen = [case for case in cases if case.size][:CASES]
    for name in EPS:  # TensorFloat-32 rounds as float16 does
        try:
            if chosen and _explains(run, reference, chosen, name):
                return name
        except Exception:  # some of the moved cases are refused
            continue
    return ""


def _explains(run: Run, reference: Run, cases: Sequence[Case], name: str) -> bool:
    """Whether rounding to this precision gives the errors of the outputs."""
    eps, least = EPS[name], TINY.get(name, 0.0)
    end = LARGEST.get(name, np.inf)
    at, beside = [], []
    for number, case in enumerate(cases):
        exact = {n: a for n, a in reference(case).items() if is_output(n)}
        scales = measured_scales(reference, case, exact, eps=eps, least=least)
        first, known = _errors(run(case), exact, scales, eps, end)
        if np.abs(first[known]).max(initial=0.0) > ACCEPT:
            return False
        moved = disturbed(case, np.random.default_rng(number), 4 * eps, least)
        second, too = _errors(run(moved), reference(moved), scales, eps, end)
        at.append(first[known & too])
        beside.append(second[known & too])
    a, b = np.concatenate(at), np.concatenate(beside)
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    usual = size / max(a.size, 1)  # their mean square, in units
    return LEAST**2 < usual < MOST**2 and float((a * b).sum()) < size / 2


def _errors(
    ours: Result, exact: Result, scales: Result, eps: float, end: float
) -> tuple[Array, Array]:
    """Of every entry of the outputs, in units; and where the range does not end first."""
    got, right, unit = (
        np.concatenate([np.ravel(result[n]) for n in scales]) for result in (ours, exact, scales)
    )
    with np.errstate(all="ignore"):
        off = np.nan_to_num((got - right) / (eps * unit), nan=np.inf)
    return off, np.isfinite(got) | (np.abs(right) < end)
