"""The diagnoses of a check that failed, which must cost it nothing."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence

from npformer.verify.component import Component
from npformer.verify.diagnosis.along import factors_along, too_large
from npformer.verify.diagnosis.as_used import diagnose_as_used
from npformer.verify.diagnosis.describe import where
from npformer.verify.diagnosis.diagnose import diagnose_implementation
from npformer.verify.diagnosis.diagnosis import Diagnosis
from npformer.verify.diagnosis.evidence import Evidence, is_derived, observe
from npformer.verify.diagnosis.telling import Seen
from npformer.verify.subjects.registered import RegisteredComponent
from npformer.verify.subjects.user_component import UserComponent
from npformer.verify.tally import Tally
from npformer.verify.verdict import Failure


def diagnose_check(
    component: Component, failure: Failure, tallies: Sequence[Tally], seed: int = 0
) -> tuple[Diagnosis, ...]:
    """What explains ``failure``, likeliest first, by all that the tallies have seen.

    Whatever goes wrong on the way, the implementation may have raised it: then there is no
    diagnosis, and the check stands as it is.
    """
    if failure.case is None:
        return ()
    if failure.breach == "written" and failure.result in failure.case.static:
        return (Diagnosis(failure.message, failure.result),)
    subject = _diagnosed(component)
    seen = Seen(
        [case for tally in tallies for case in tally.failing],
        # Without a reference, nothing else has said that they are right.
        [
            case
            for tally in tallies
            for case in (tally.differentiated if is_derived(subject) else tally.passing)
        ],
    )
    found: list[Diagnosis] = []
    compared = failure.oracle in (component.witness, "directional derivative")
    if compared and is_derived(subject) and all(map(too_large, seen.failing)):
        with contextlib.suppress(Exception):
            found = factors_along(subject, failure.case, seen.failing)
        if found:
            return tuple(found)
    with contextlib.suppress(Exception):
        if failure.oracle == "protocol":
            found = diagnose_as_used(subject, failure, seed)
        else:
            found = diagnose_implementation(subject, failure.case, seed, seen)
    if not found and failure.breach == "written":  # of what was written over nothing is compared
        return (Diagnosis(failure.message, failure.result),)
    return tuple(found)


def describe_check(
    component: Component, failure: Failure, tallies: Sequence[Tally] = (), seed: int = 0
) -> tuple[Diagnosis, ...]:
    """Where it is wrong, where there is no time for why."""
    if failure.case is None or failure.oracle == "protocol":
        return ()
    subject = _diagnosed(component)
    evidence = Evidence.of(subject, failure.case, observe(subject, failure.case))
    return tuple(where(evidence))


def _diagnosed(component: Component) -> Component:
    """As which it is diagnosed: by its operation's name, or entry by entry."""
    if isinstance(component, RegisteredComponent):
        return dataclasses.replace(component, name=component.op.name)
    if isinstance(component, UserComponent):
        return dataclasses.replace(component, entrywise=True)
    return component
