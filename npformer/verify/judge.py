"""The verdict on one case: a result against every oracle, in rounding units.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from npformer.cards.case import Case, Result, joined
from npformer.cards.invariant import Finding
from npformer.verify.component import BrokenContract, Component
from npformer.verify.reference.oracles import REFEREE, directional_gap, reference, steps
from npformer.verify.units.error import CAP, error_units, worst

Array = np.ndarray
OWN = Path(__file__).parents[1]


@dataclass(frozen=True)
class Failure:
    """One result that an oracle does not accept."""

    result: str
    """``y``, ``dx``, ``grad weight``, or an invariant in words."""
    oracle: str
    """``contract``, ``PyTorch``, ``directional derivative`` or ``invariant``."""
    message: str
    error: float = np.inf
    """In rounding units; relative for the directional derivative."""
    case: Case | None = field(default=None, repr=False)
    index: tuple[int, ...] | None = None
    """Of the entry that is furthest off."""
    expected: float | None = None
    got: float | None = None
    pytorch: float | None = None
    """The witness's own worst error on the same result, in rounding units."""
    breach: Literal["", "missing", "shape", "dtype", "written"] = ""
    """What breaks the contract, of a result that is there."""
    reproduce: str = field(default="", repr=False)
    """Python that rebuilds the case and prints the wrong number."""

    def __str__(self) -> str:
        return f"{self.result} ({self.oracle}): {self.message}"


@dataclass
class Verdict:
    """What one case showed: errors in rounding units by result name, and what was not accepted."""

    ours: dict[str, float] = field(default_factory=dict)
    pytorch: dict[str, float] = field(default_factory=dict)
    directional: float | None = None
    failures: list[Failure] = field(default_factory=list)


def check_case(component: Component, case: Case, rng: np.random.Generator) -> Verdict:
    """One case against every oracle. ``rng`` draws the direction of the directional derivative."""
    before = case.cast(case.dy.dtype)
    with warnings.catch_warnings():
        # A mutant may divide by zero; the verdict is the oracle's to give, not the warning's.
        warnings.simplefilter("ignore")
        try:
            ours = component.run(case)
        except BrokenContract as error:
            message = str(error)
        except Exception as error:
            message = f"{type(error).__name__}: {error}{line_of(error)}"
        else:
            return judged(component, case, before, ours, rng)
    return Verdict(failures=[Failure("the call", "contract", message, case=case)])


def judged(
    component: Component, case: Case, before: Case, ours: Result, rng: np.random.Generator
) -> Verdict:
    """The results of one case against every oracle; ``before`` is a copy made before the call."""
    outcome = Verdict()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exact, referee = reference(component, case)
        _check_contract(case, before, ours, exact, outcome)
        if outcome.failures:
            return outcome
        scales = component.scales(case)
        _check_pytorch(component, case, ours, exact, referee, scales, outcome)
        if component.lenient and max(outcome.pytorch.values(), default=0.0) > CAP:
            outcome.ours, outcome.pytorch = {}, {}
            return outcome
        _check_invariants(component, case, ours, scales, outcome)
        if case.dy.dtype == np.float64:
            _check_directional(component, case, rng, outcome)
    return outcome


def line_of(error: BaseException) -> str:
    """Where the caller's own code raised it, `` (kernels.py, line 12)``; empty if nowhere."""
    found, traceback = "", error.__traceback__
    while traceback is not None:
        file = Path(traceback.tb_frame.f_code.co_filename)
        foreign = "site-packages" in file.parts or OWN in file.parents or file.name[0] == "<"
        if not foreign:
            found = f" ({file.name}, line {traceback.tb_lineno})"
        traceback = traceback.tb_next
    return found


def _check_contract(case: Case, before: Case, ours: Result, exact: Result, to: Verdict) -> None:
    """Same names, shapes and dtype; nothing written to."""

    def fail(name: str, breach: Any, message: str) -> None:
        to.failures.append(Failure(name, "contract", message, case=case, breach=breach))

    # A gradient's shape is that of its input, whatever the reference says.
    wanted = {f"{d}{n}": a.shape for n, a in case.inputs.items() for d in ("d", "grad ")}
    for name, ref in exact.items():
        if (a := ours.get(name)) is None:
            fail(name, "missing", "there is no such result")
        elif np.shape(a) != (shape := wanted.get(name, ref.shape)):
            fail(name, "shape", f"its shape is {np.shape(a)}; it must be {shape}")
        elif np.asarray(a).dtype != case.dy.dtype:
            fail(name, "dtype", f"its dtype is {np.asarray(a).dtype}; it must be {case.dy.dtype}")
    for name, array in case.inputs.items():
        if not np.array_equal(array, before.inputs[name], equal_nan=True):
            fail(name, "written", "the input was written to")
    for name, dy in case.upstream.items():
        if not np.array_equal(dy, before.upstream[name], equal_nan=True):
            fail(f"d{name}", "written", "the upstream gradient was written to")


def _check_pytorch(
    component: Component,
    case: Case,
    ours: Result,
    exact: Result,
    referee: Result | None,
    scales: Result,
    to: Verdict,
) -> None:
    pytorch = component.twin(case)
    for name, ref in exact.items():
        if component.lenient:  # a witness without an answer is no witness
            ref = np.where(np.isnan(ref), ours[name], ref)
        units = error_units(ours[name], ref, scales[name], case.dy.dtype)
        to.ours[name] = worst(units)
        other = pytorch.get(name, ref)
        to.pytorch[name] = worst(error_units(other, ref, scales[name], case.dy.dtype))
        if not component.accepts(to.ours[name], to.pytorch[name]):
            found = furthest(name, ours[name], ref, units, to.pytorch[name], case)
            to.failures.append(dataclasses.replace(found, oracle=component.witness))
        if referee is not None:
            gap = worst(error_units(referee[name], ref, scales[name], case.dy.dtype))
            if gap > REFEREE:
                message = f"the extended-precision reference and PyTorch are {gap:.3g} apart"
                to.failures.append(Failure(name, "PyTorch", message, gap, case))


def furthest(name: str, a: Array, ref: Array, units: Array, pytorch: float, case: Case) -> Failure:
    """The failure of one result, at the entry of the largest error."""
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(units)), units.shape))
    # + 0.0: a zero has no sign that anybody would look for.
    got, expected = float(np.asarray(a)[index]) + 0.0, float(np.asarray(ref)[index]) + 0.0
    message = (
        f"{at_index(name, index)} is {got!r}, expected {expected!r}: "
        f"off by {units[index]:.3g} rounding units, PyTorch by {pytorch:.3g} at worst"
    )
    error = float(units[index])
    return Failure(name, "PyTorch", message, error, case, index, expected, got, pytorch)


def at_index(name: str, index: tuple[int, ...] | None) -> str:
    """``dx[0, 1]``; the name alone for a number."""
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def _check_invariants(
    component: Component, case: Case, ours: Result, scales: Result, to: Verdict
) -> None:
    for invariant in component.invariants:
        for finding in invariant.findings(component, case, ours, scales):
            gap = violation(finding, case.dy.dtype)
            if gap > CAP:
                message = f"broken by {gap:.3g} rounding units"
                to.failures.append(Failure(invariant.what, "invariant", message, gap, case))


def violation(finding: Finding, dtype: np.dtype) -> float:
    """By how much an invariant is broken, in rounding units."""
    return worst(error_units(finding.value, finding.expected, finding.scale, dtype))


def _check_directional(
    component: Component, case: Case, rng: np.random.Generator, to: Verdict
) -> None:
    largest = max((np.abs(a).max(initial=0.0) for a in case.inputs.values()), default=0.0)
    if largest > 1e3 or not joined(case.upstream).size or not component.smooth(case):
        return
    with np.errstate(all="ignore"):
        gap = directional_gap(component, case, rng)
    if gap is None:
        return
    to.directional = gap
    if not gap <= steps(component).gap:
        message = f"<dy, J v> and <J^T dy, v> differ by {gap:.3g} of their terms"
        to.failures.append(Failure("the gradient", "directional derivative", message, gap, case))
