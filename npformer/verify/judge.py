"""The verdict on one case: a result against every oracle, in rounding units.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Container

import numpy as np

from npformer.cards.case import Case, Result, is_output, joined
from npformer.cards.invariant import Finding
from npformer.seam import quiet
from npformer.verify.component import Component, Refused
from npformer.verify.contract import check_contract, check_repeats, no_result, restored
from npformer.verify.reference.kept import kept
from npformer.verify.reference.oracles import REFEREE, directional_gap, reference, steps
from npformer.verify.units.error import CAP, comparable, error_units, worst
from npformer.verify.units.inside import LARGEST
from npformer.verify.verdict import GRADIENT, Failure, Verdict, at_index

Array = np.ndarray


def check_case(
    component: Component, case: Case, rng: np.random.Generator, wrong: Container[str] = ()
) -> Verdict:
    """One case against every oracle. ``rng`` draws the direction of the directional derivative.

    ``wrong`` names results known to be wrong: an error of theirs gets no second, dearer look.

    Raises ``Random`` if the component gives another output for the same case.
    """
    before = case.cast(case.dy.dtype)
    others = {n: a.copy() for n, a in case.static.items() if isinstance(a, np.ndarray)}
    with warnings.catch_warnings(), quiet():
        # A mutant may divide by zero; the verdict is the oracle's to give, not the warning's.
        warnings.simplefilter("ignore")
        try:
            ours = component.run(case)
        except Exception as error:
            return no_result(component, case, error)
        if written := restored(case, others):
            return Verdict(failures=written)
        return judged(component, case, before, ours, rng, wrong)


def judged(
    component: Component,
    case: Case,
    before: Case,
    ours: Result,
    rng: np.random.Generator,
    wrong: Container[str] = (),
) -> Verdict:
    """The results of one case against every oracle; ``before`` is a copy made before the call."""
    outcome = Verdict()
    with warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")
        try:
            exact, referee = reference(component, case)
        except Refused as error:
            return Verdict(refused=str(error))
        check_contract(case, before, ours, exact, outcome)
        if outcome.failures:
            return outcome
        lost = check_repeats(component, case, ours, outcome) if component.lenient else ""
        scales = kept(component, "scales", case, lambda: component.scales(case))
        known = _check_pytorch(component, case, ours, exact, referee, scales, wrong, outcome)
        if known:
            _check_invariants(component, case, ours, scales, outcome)
        silent = any(
            bool((np.isnan(ref) & ~np.isnan(ours[name])).any()) for name, ref in exact.items()
        )
        if case.dy.dtype == np.float64 or (component.lenient and silent):
            _check_directional(component, case.cast(np.float64), rng, outcome, GRADIENT in wrong)
    return Verdict(refused=lost) if lost and not outcome.failures else outcome


def _check_pytorch(
    component: Component,
    case: Case,
    ours: Result,
    exact: Result,
    referee: Result | None,
    scales: Result,
    wrong: Container[str],
    to: Verdict,
) -> bool:
    """Every result against the reference; False where the witness itself is lost on this case."""
    dtype = case.dy.dtype
    to.entries |= {name: np.size(ref) for name, ref in exact.items()}
    to.compared |= dict.fromkeys(exact, 0)
    pytorch = kept(component, "twin", case, lambda: component.twin(case))
    if component.lenient:
        for name, ref in exact.items():
            if name not in pytorch:
                continue
            apart = error_units(pytorch[name], ref, scales[name], dtype)
            if worst(np.where(np.isnan(ref), 0.0, apart)) > CAP:
                return False
    for name, ref in exact.items():
        known = comparable(ours[name], ref)
        if component.lenient:  # a witness without an answer is no witness
            known = known & ~np.isnan(ref) & ~_overflowed(name, ours, exact, pytorch, dtype)
            if component.inside:  # a narrower range may end there
                end = LARGEST.get(component.inside, np.inf)
                known = known & (np.isfinite(ours[name]) | (np.abs(ref) < end))
        to.compared[name] = int(known.sum())

        def judge(scale: Array, name: str = name, ref: Array = ref, known: Array = known) -> Array:
            def errors(a: Array) -> Array:
                return np.where(known, error_units(a, ref, scale, dtype), 0.0)

            units = errors(ours[name])
            to.ours[name] = worst(units)
            to.pytorch[name] = worst(errors(pytorch[name])) if name in pytorch else 0.0
            return units

        units = judge(scales[name])
        if name not in wrong and not component.accepts(to.ours[name], to.pytorch[name]):
            scale = component.reconsidered(case, name, ours, exact)
            units = units if scale is None else judge(scale)
        if component.accepts(to.ours[name], to.pytorch[name]):
            part = None if name in wrong else component.systematic(case, name, ours, exact, units)
            found = None if part is None else _systematic(name, ours[name], ref, units, part, case)
        else:
            found = furthest(name, ours[name], ref, units, to.pytorch[name], case)
        if found is not None:
            to.failures.append(dataclasses.replace(found, oracle=component.witness))
        if referee is not None:
            gap = worst(error_units(referee[name], ref, scales[name], dtype))
            if gap > REFEREE:
                message = f"the extended-precision reference and PyTorch are {gap:.3g} apart"
                to.failures.append(Failure(name, "PyTorch", message, gap, case))
    return True


def _overflowed(
    name: str, ours: Result, exact: Result, pytorch: Result, dtype: np.dtype
) -> Array | bool:
    """Where a gradient is lost because the output, rightly, is past the largest number.

    With a witness, its own overflow says so.
    """
    outputs = [a for n, a in exact.items() if is_output(n)]
    past = any((np.abs(a) > np.finfo(dtype).max).any() for a in outputs)
    if is_output(name) or pytorch or not past:
        return False
    return np.asarray(~np.isfinite(ours[name]))


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


def _systematic(name: str, a: Array, ref: Array, units: Array, part: Array, case: Case) -> Failure:
    """The failure of an error that is within the bound and is no rounding: the largest ``part``."""
    found = furthest(name, a, ref, part, 0.0, case)
    assert found.index is not None
    error = float(units[found.index])
    message = (
        f"{at_index(name, found.index)} is {found.got!r}, expected {found.expected!r}: off by "
        f"{error:.3g} rounding units, and by {found.error:.3g} in the mean of inputs near by, "
        "where rounding has other signs"
    )
    return dataclasses.replace(found, message=message, error=error, pytorch=None)


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


def directional(
    component: Component, case: Case, rng: np.random.Generator, surely: bool = False
) -> float | None:
    """The ``directional_gap`` of a case, which is in float64; None if it is not for this oracle."""
    largest = max((np.abs(a).max(initial=0.0) for a in case.inputs.values()), default=0.0)
    if largest > 1e3 or not joined(case.upstream).size or not component.smooth(case):
        return None
    try:
        with np.errstate(all="ignore"):
            return directional_gap(component, case, rng, surely)
    except Exception:  # a step away, or in a wider dtype, it may refuse
        if not component.lenient:
            raise
        return None


def _check_directional(
    component: Component, case: Case, rng: np.random.Generator, to: Verdict, surely: bool
) -> None:
    gap = to.directional = directional(component, case, rng, surely)
    if gap is not None and not gap <= steps(component, case).gap:
        message = f"<dy, J v> and <J^T dy, v> differ by {gap:.3g} of their terms"
        to.failures.append(Failure(GRADIENT, "directional derivative", message, gap, case))
