"""Right but for a factor, where a case is too large for the derivative by every entry.

Without a reference a right gradient is differences of the forward, two calls for each entry. Along
a direction they cost two calls however many entries there are, and a gradient that is off by a
factor is off by it along any direction, as one that is wrong otherwise is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from npformer.cards.case import Array, Case, joined
from npformer.verify.component import Component
from npformer.verify.diagnosis.diagnosis import Diagnosis
from npformer.verify.diagnosis.evidence import Evidence, observe, silence
from npformer.verify.diagnosis.generic import each_wrong
from npformer.verify.diagnosis.mistake import Mistake
from npformer.verify.diagnosis.wrong_size import wrong_factors
from npformer.verify.diagnosis.wrong_terms import wrong_multiple
from npformer.verify.reference.apart import STEP
from npformer.verify.units.measured import ACCEPT
from npformer.verify.work import NUMBERS, spend

DIRECTIONS = 8
MORE = 2
"""Further failing cases that must show the same."""
SURE = 1e-6
"""Of a derivative, what is not laid at the gradient's door."""


def too_large(case: Case) -> bool:
    """Whether a call for each entry would take more than a search may."""
    entries = sum(a.size for a in case.inputs.values())
    return entries * case.size > NUMBERS


@silence()
def factors_along(component: Component, case: Case, failing: Sequence[Case]) -> list[Diagnosis]:
    """The factors that the gradients are off by; empty if that is not all that is wrong."""
    first = _along(component, case)
    found = list(each_wrong(first, lambda name: _fitting(first, name))) if first.names else []
    for other in [c for c in failing if c is not case][:MORE]:
        evidence = _along(component, other)
        found = [suspect for suspect in found if suspect.fits(evidence)]
    return [suspect.diagnosis(first) for suspect in found[:1]]


def _along(component: Component, case: Case) -> Evidence:
    """The gradients along some directions, an entry each, beside the derivatives of the forward."""
    case = case.cast(np.float64)
    gradients = observe(component, case)
    dy = joined(case.upstream)
    wrong, right, scales = {}, {}, {}
    for name, array in case.inputs.items():
        key = f"d{name}" if f"d{name}" in gradients else f"grad {name}"
        rng = np.random.default_rng([DIRECTIONS, *name.encode()])
        ways = [rng.standard_normal(array.shape) for _ in range(DIRECTIONS)]
        wrong[key] = np.array([np.vdot(gradients[key], v) for v in ways])
        slopes = np.array([_slopes(component, case, name, v, dy) for v in ways])
        right[key] = slopes[:, 0]
        doubt = np.abs(slopes[:, 1] - slopes[:, 0]) + SURE * np.abs(slopes[:, 0]).max()
        scales[key] = doubt / (ACCEPT * np.finfo(np.float64).eps)
    return Evidence(component, case, wrong, right, scales)


def _slopes(
    component: Component, case: Case, name: str, v: Array, dy: Array
) -> tuple[float, float]:
    """<dy, J v> by a step and by twice that, which differ by what neither knows."""

    def along(step: float) -> Array:
        spend(case.size)
        moved = np.asarray(case.inputs[name] + step * v)
        return component.forward(case.with_inputs({**case.inputs, name: moved}))

    def slope(step: float) -> float:
        return float(np.sum(dy * (along(step) - along(-step))) / (2 * step))

    return slope(STEP), slope(2 * STEP)


def _fitting(evidence: Evidence, name: str) -> list[Mistake]:
    def fits(mistake: Mistake) -> bool:
        predicted = mistake.predict(evidence, name)
        return predicted is not None and evidence.fits(name, predicted)

    return [mistake for mistake in _factors(evidence, name) if fits(mistake)]


def _factors(evidence: Evidence, name: str) -> Iterator[Mistake]:
    yield from wrong_factors(evidence, name)
    yield from wrong_multiple(evidence, name)
