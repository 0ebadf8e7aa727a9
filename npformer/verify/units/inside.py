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
    for name, eps in EPS.items():  # TensorFloat-32 rounds as float16 does
        try:
            if chosen and _explains(run, reference, chosen, eps):
                return name
        except Exception:  # some of the moved cases are refused
            continue
    return ""


def _explains(run: Run, reference: Run, cases: Sequence[Case], eps: float) -> bool:
    """Whether rounding to ``eps`` gives the errors of the outputs."""
    at, beside = [], []
    for number, case in enumerate(cases):
        exact = {n: a for n, a in reference(case).items() if is_output(n)}
        scales = measured_scales(reference, case, exact, eps=eps)
        first = _errors(run(case), exact, scales, eps)
        if np.abs(first).max(initial=0.0) > ACCEPT:
            return False
        moved = disturbed(case, np.random.default_rng(number), 4 * eps)
        second = _errors(run(moved), reference(moved), scales, eps)
        at.append(first)
        beside.append(second)
    a, b = np.concatenate(at), np.concatenate(beside)
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    usual = size / max(a.size, 1)  # their mean square, in units
    return LEAST**2 < usual < MOST**2 and float((a * b).sum()) < size / 2


def _errors(ours: Result, exact: Result, scales: Result, eps: float) -> Array:
    off = [(ours[n] - exact[n]).ravel() / (eps * s.ravel()) for n, s in scales.items()]
    return np.nan_to_num(np.concatenate(off), nan=np.inf)
