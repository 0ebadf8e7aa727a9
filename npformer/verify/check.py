"""Run one component on many cases and say how it did, with the smallest case that fails.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.verify.case import Case, Component, Finding, Result
from npformer.verify.error import CAP, acceptable, error_units, worst
from npformer.verify.oracles import DIRECTIONAL, directional_gap, reference
from npformer.verify.strategies import GeneratorSource

Array = np.ndarray


@dataclass(frozen=True)
class Failure:
    """One result that an oracle does not accept."""

    result: str
    """``y``, ``dx``, ``grad weight``, or an invariant in words."""
    oracle: str
    """``contract``, ``PyTorch``, ``directional derivative`` or ``invariant``."""
    message: str
    error: float = np.inf
    """In natural units; relative for the directional derivative."""
    case: Case | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.result} ({self.oracle}): {self.message}"


@dataclass
class Outcome:
    """What one case showed: errors in natural units by result name, and what was not accepted."""

    ours: dict[str, float] = field(default_factory=dict)
    pytorch: dict[str, float] = field(default_factory=dict)
    directional: float | None = None
    failures: list[Failure] = field(default_factory=list)


@dataclass
class CheckResult:
    """What all cases of one component in one dtype showed."""

    component: str
    kind: str
    dtype: str
    seed: int
    cases: int = 0
    forward_error: float = 0.0
    gradient_error: float = 0.0
    pytorch_forward_error: float = 0.0
    pytorch_gradient_error: float = 0.0
    directional_cases: int = 0
    directional_gap: float = 0.0
    failed_cases: int = 0
    failure: Failure | None = None
    """Of the smallest case that failed."""

    @property
    def passed(self) -> bool:
        return self.failure is None

    def add(self, case: Case, outcome: Outcome) -> None:
        """Count one case in."""
        self.cases += 1
        for errors, kind in ((outcome.ours, ""), (outcome.pytorch, "pytorch_")):
            for name, error in errors.items():
                which = f"{kind}forward_error" if name == "y" else f"{kind}gradient_error"
                setattr(self, which, max(getattr(self, which), error))
        if outcome.directional is not None:
            self.directional_cases += 1
            self.directional_gap = max(self.directional_gap, outcome.directional)
        if outcome.failures:
            self.failed_cases += 1
            known = self.failure.case if self.failure else None
            if known is None or case.size < known.size:
                self.failure = outcome.failures[0]


def check(
    component: Component,
    cases: int = 50,
    seed: int = 0,
    dtype: Any = np.float64,
    *,
    stop_at_failure: bool = False,
) -> CheckResult:
    """``cases`` generated cases of one component against every oracle, in ``dtype``."""
    result = CheckResult(component.name, component.kind, np.dtype(dtype).name, seed)
    # The name takes part in the seed, so that components do not all see the same numbers.
    rng = np.random.default_rng([seed, *component.name.encode()])
    source = GeneratorSource(rng)
    for _ in range(cases):
        case = component.draw(source, np.dtype(dtype))
        result.add(case, check_case(component, case, rng))
        if stop_at_failure and result.failure:
            break
    return result


def check_case(component: Component, case: Case, rng: np.random.Generator) -> Outcome:
    """One case against every oracle. ``rng`` draws the direction of the directional derivative."""
    outcome = Outcome()
    before = case.cast(case.dy.dtype)
    with warnings.catch_warnings():
        # A mutant may divide by zero; the verdict is the oracle's to give, not the warning's.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            ours = component.run(case)
        except Exception as error:
            outcome.failures.append(
                Failure("the call", "contract", f"{type(error).__name__}: {error}", case=case)
            )
            return outcome
        exact, referee = reference(component, case)
        _check_contract(case, before, ours, exact, outcome)
        if outcome.failures:
            return outcome
        scales = component.scales(case)
        _check_pytorch(component, case, ours, exact, referee, scales, outcome)
        _check_invariants(component, case, ours, scales, outcome)
        if case.dy.dtype == np.float64:
            _check_directional(component, case, rng, outcome)
    return outcome


def _check_contract(case: Case, before: Case, ours: Result, exact: Result, to: Outcome) -> None:
    """Same names, shapes and dtype; nothing written to."""

    def fail(name: str, message: str) -> None:
        to.failures.append(Failure(name, "contract", message, case=case))

    for name, ref in exact.items():
        if (a := ours.get(name)) is None:
            fail(name, "there is no such result")
        elif np.shape(a) != ref.shape:
            fail(name, f"its shape is {np.shape(a)}; it must be {ref.shape}")
        elif np.asarray(a).dtype != case.dy.dtype:
            fail(name, f"its dtype is {np.asarray(a).dtype}; it must be {case.dy.dtype}")
    for name, array in case.inputs.items():
        if not np.array_equal(array, before.inputs[name], equal_nan=True):
            fail(name, "the input was written to")
    if not np.array_equal(case.dy, before.dy, equal_nan=True):
        fail("dy", "the upstream gradient was written to")


def _check_pytorch(
    component: Component,
    case: Case,
    ours: Result,
    exact: Result,
    referee: Result | None,
    scales: Result,
    to: Outcome,
) -> None:
    pytorch = component.twin(case)
    for name, ref in exact.items():
        units = error_units(ours[name], ref, scales[name], case.dy.dtype)
        to.ours[name] = worst(units)
        to.pytorch[name] = worst(error_units(pytorch[name], ref, scales[name], case.dy.dtype))
        if not acceptable(to.ours[name], to.pytorch[name]):
            to.failures.append(_failure(name, ours[name], ref, units, to.pytorch[name], case))
        if referee is not None:
            gap = worst(error_units(referee[name], ref, scales[name], case.dy.dtype))
            if gap > CAP:
                message = f"the extended-precision reference and PyTorch are {gap:.3g} apart"
                to.failures.append(Failure(name, "PyTorch", message, gap, case))


def _failure(name: str, a: Array, ref: Array, units: Array, pytorch: float, case: Case) -> Failure:
    index = np.unravel_index(int(np.argmax(units)), units.shape)
    at = f"[{', '.join(map(str, index))}]" if index else ""
    message = (
        f"{name}{at} is {float(np.asarray(a)[index])!r}, expected {float(ref[index])!r}: "
        f"off by {units[index]:.3g} natural units, PyTorch by {pytorch:.3g} at worst"
    )
    return Failure(name, "PyTorch", message, float(units[index]), case)


def _check_invariants(
    component: Component, case: Case, ours: Result, scales: Result, to: Outcome
) -> None:
    for invariant in component.invariants:
        for finding in invariant(component, case, ours, scales):
            gap = violation(finding, case.dy.dtype)
            if gap > CAP:
                message = f"broken by {gap:.3g} natural units"
                to.failures.append(Failure(finding.what, "invariant", message, gap, case))


def violation(finding: Finding, dtype: np.dtype) -> float:
    """By how much an invariant is broken, in natural units."""
    return worst(error_units(finding.value, finding.expected, finding.scale, dtype))


def _check_directional(
    component: Component, case: Case, rng: np.random.Generator, to: Outcome
) -> None:
    largest = max((np.abs(a).max(initial=0.0) for a in case.inputs.values()), default=0.0)
    if largest > 1e3 or not case.dy.size or not component.smooth(case):
        return
    with np.errstate(all="ignore"):
        gap = directional_gap(component, case, rng)
    if gap is None:
        return
    to.directional = gap
    if not gap <= DIRECTIONAL:
        message = f"<dy, J v> and <J^T dy, v> differ by {gap:.3g} of their terms"
        to.failures.append(Failure("the gradient", "directional derivative", message, gap, case))
