"""What any implementation must do, whatever its numbers: give every result, and leave inputs alone.

Same names, shapes and dtype; nothing written to that is the caller's; the same result twice.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result, is_output
from npformer.verify.component import BrokenContract, Component, Random, Written
from npformer.verify.units.measured import disturbed
from npformer.verify.verdict import Failure, Verdict

Array = np.ndarray
OWN = Path(__file__).parents[1]
REPEATS = 1000.0
"""By how many eps of a result's largest entry two calls may differ: threads add up in any order."""
REPEATS_MOST = 1 / 16
"""And by what share at most, where eps is large."""


def restored(case: Case, before: dict[str, Array]) -> list[Failure]:
    """The arguments without a gradient that were written to, as they were: others need them."""
    found = []
    for name, was in before.items():
        if not np.array_equal(case.static[name], was, equal_nan=was.dtype.kind == "f"):
            case.static[name][...] = was
            message = f"{name}, which is the caller's, was written to"
            found.append(Failure(name, "contract", message, case=case, breach="written"))
    return found


def no_result(component: Component, case: Case, error: Exception) -> Verdict:
    """The verdict on a call that raised: one may refuse inputs, but no layout and no dy.

    What raises now and then, for want of memory say, is no verdict on what it was given.
    """
    message = str(error)
    if isinstance(error, Written):
        return Verdict(
            failures=[Failure(error.name, "contract", message, case=case, breach="written")]
        )
    if not isinstance(error, BrokenContract):
        message = f"{type(error).__name__}: {error}{line_of(error)}"
        if component.lenient:
            plain = plainly_laid_out(case)
            if plain is not None and _depends(component, case, plain):
                message += "; it takes the same numbers in contiguous, writable arrays"
            elif _depends(component, case, _used_wholly(plain or case)):
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


def _depends(component: Component, refused: Case, taken: Case) -> bool:
    """Whether it raises on one case whenever asked, and not on the other."""
    turns = ((refused, False), (taken, True), (refused, False))
    return all(_runs(component.run, case) == runs for case, runs in turns)


def _runs(function: Callable[[Case], Any], case: Case) -> bool:
    try:
        function(case)
    except Exception:
        return False
    return True


def check_repeats(component: Component, case: Case, ours: Result, to: Verdict) -> str:
    """The same case once more: what changes by itself is not for a scale to excuse.

    What it says if the second call raised and its being the second may not be why; else nothing.

    Raises ``Random`` if the output changes.
    """
    try:
        again = component.run(case)
    except Exception as error:
        message = f"a second call raises {type(error).__name__}: {error}{line_of(error)}"
        if not _never_twice(component, case):
            return message
        to.failures.append(Failure("the call", "second call", message, case=case))
        return ""
    for name, first in ours.items():
        by = change(first, again.get(name))
        if by <= repeats_within(component, case):
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
    return ""


def _never_twice(component: Component, case: Case) -> bool:
    """Whether it takes numbers near by once, and raises when they come again."""
    near = disturbed(case, np.random.default_rng(0), component.eps(case))
    return _runs(component.run, near) and not _runs(component.run, near)


def repeats_within(component: Component, case: Case) -> float:
    """By how much of its largest entry a result may differ between two calls."""
    return min(REPEATS * component.eps(case), REPEATS_MOST)


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


def check_contract(case: Case, before: Case, ours: Result, exact: Result, to: Verdict) -> None:
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
