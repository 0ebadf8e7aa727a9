"""The verdict on one case: a result against every oracle, in rounding units.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from npformer.cards.case import Case, Result, is_output, joined
from npformer.cards.invariant import Finding
from npformer.seam import quiet
from npformer.verify.component import BrokenContract, Component, Random, Refused, Written
from npformer.verify.reference.kept import kept
from npformer.verify.reference.oracles import REFEREE, directional_gap, reference, steps
from npformer.verify.units.error import CAP, comparable, error_units, worst
from npformer.verify.units.inside import LARGEST

Array = np.ndarray
OWN = Path(__file__).parents[1]
REPEATS = 1000.0
"""By how many eps of a result's largest entry two calls may differ: threads add up in any order."""
REPEATS_MOST = 1 / 16
"""And by what share at most, where eps is large."""
GRADIENT = "the gradient"
"""What a directional derivative says is wrong: which of several, it cannot say."""


@dataclass(frozen=True)
class Failure:
    """One result that an oracle does not accept."""

    result: str
    """``y``, ``dx``, ``grad weight``, or an invariant in words."""
    oracle: str
    """``contract``, ``second call``, ``PyTorch``, ``directional derivative``, ``invariant``."""
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
    compared: dict[str, int] = field(default_factory=dict)
    """By result, how many of its entries the reference knew a value for."""
    entries: dict[str, int] = field(default_factory=dict)
    """By result, how many entries it has."""
    directional: float | None = None
    refused: str = ""
    """Why there is no result, if somebody's function raised on this case."""
    failures: list[Failure] = field(default_factory=list)


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
            return _no_result(component, case, error)
        if written := _restored(case, others):
            return Verdict(failures=written)
        return judged(component, case, before, ours, rng, wrong)


def _restored(case: Case, before: dict[str, Array]) -> list[Failure]:
    """The arguments without a gradient that were written to, as they were: others need them."""
    found = []
    for name, was in before.items():
        if not np.array_equal(case.static[name], was, equal_nan=was.dtype.kind == "f"):
            case.static[name][...] = was
            message = f"{name}, which is the caller's, was written to"
            found.append(Failure(name, "contract", message, case=case, breach="written"))
    return found


def _no_result(component: Component, case: Case, error: Exception) -> Verdict:
    """The verdict on a call that raised: one may refuse inputs, but no layout and no dy."""
    message = str(error)
    if isinstance(error, Written):
        return Verdict(
            failures=[Failure(error.name, "contract", message, case=case, breach="written")]
        )
    if not isinstance(error, BrokenContract):
        message = f"{type(error).__name__}: {error}{line_of(error)}"
        if component.lenient:
            plain = plainly_laid_out(case)
            if plain is not None and _runs(component.run, plain):
                message += "; it takes the same numbers in contiguous, writable arrays"
            elif _runs(component.run, _used_wholly(plain or case)):
                message += "; it takes the same inputs where every output has a gradient of ones"
            else:
                return Verdict(refused=message)
    return Verdict(failures=[Failure("the call", "contract", message, case=case)])


def plainly_laid_out(case: Case) -> Case | None:
    """The case with every array contiguous, writable and of its own memory; None if all are so."""

    def plain(array: Array) -> bool:
        return array.flags.c_contiguous and array.flags.writeable

    if all(plain(a) for a in (*case.inputs.values(), *case.upstream.values())):
        return None
    inputs, upstream = (
        {name: np.array(a, order="C") for name, a in arrays.items()}
        for arrays in (case.inputs, case.upstream)
    )
    return case.with_inputs(inputs).with_upstream(upstream)


def _used_wholly(case: Case) -> Case:
    """The case with an upstream gradient of ones for each output."""
    return case.with_upstream({name: np.ones_like(dy) for name, dy in case.upstream.items()})


def _runs(function: Callable[[Case], Any], case: Case) -> bool:
    try:
        function(case)
    except Exception:
        return False
    return True


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
        _check_contract(case, before, ours, exact, outcome)
        if outcome.failures:
            return outcome
        if component.lenient:
            _check_repeats(component, case, ours, outcome)
        scales = kept(component, "scales", case, lambda: component.scales(case))
        known = _check_pytorch(component, case, ours, exact, referee, scales, wrong, outcome)
        if known:
            _check_invariants(component, case, ours, scales, outcome)
        silent = any(
            bool((np.isnan(ref) & ~np.isnan(ours[name])).any()) for name, ref in exact.items()
        )
        if case.dy.dtype == np.float64 or (component.lenient and silent):
            _check_directional(component, case.cast(np.float64), rng, outcome, GRADIENT in wrong)
    return outcome


def _check_repeats(component: Component, case: Case, ours: Result, to: Verdict) -> None:
    """The same case once more: what changes by itself is not for a scale to excuse."""
    try:
        again = component.run(case)
    except Exception as error:
        message = f"a second call raises {type(error).__name__}: {error}{line_of(error)}"
        to.failures.append(Failure("the call", "second call", message, case=case))
        return
    for name, first in ours.items():
        by = change(first, again.get(name))
        if by <= min(REPEATS * component.eps(case), REPEATS_MOST):
            continue
        if is_output(name):
            raise Random(
                f"{component.name} is random: its output differs by {by:.2g} of its size between "
                "two calls with the same arguments; let each start from the same random state"
            )
        message = (
            f"it differs by {by:.2g} of its size between two calls with the same arguments: "
            "something is kept from the call before, or drawn at random"
        )
        to.failures.append(Failure(name, "second call", message, by, case))


def change(first: Array, second: Array | None) -> float:
    """The largest difference, of the largest entry; inf where only one of the two is a number."""
    first, second = np.asarray(first), np.asarray(np.nan if second is None else second)
    if first.shape != second.shape:
        return np.inf
    differ = ~((first == second) | (np.isnan(first) & np.isnan(second)))
    if not differ.any():
        return 0.0
    with np.errstate(all="ignore"):
        gap = np.abs(first - second)[differ].max() / np.abs(first).max()
    return float(gap) if np.isfinite(gap) else np.inf


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
    if gap is not None and not gap <= steps(component).gap:
        message = f"<dy, J v> and <J^T dy, v> differ by {gap:.3g} of their terms"
        to.failures.append(Failure(GRADIENT, "directional derivative", message, gap, case))
