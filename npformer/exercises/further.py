"""More cases after the first fault: which results are right anyway, and what all faults share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from npformer.cards.case import Case
from npformer.cards.strategies import GeneratorSource
from npformer.exercises.question import Question, private
from npformer.verify.judge import judged
from npformer.verify.verdict import Failure

LATER = 25
"""Cases looked at after the first fault."""
ENOUGH = 3
"""Right cases and wrong ones that it takes to say what sets them apart."""


class Looked(NamedTuple):
    """One case and what is wrong with the answer to it."""

    case: Case
    failures: list[Failure] | None
    """None where the call ends in an error."""

    @property
    def wrong(self) -> bool:
        return self.failures is None or bool(self.failures)


def failures_of(question: Question, case: Case) -> list[Failure]:
    """What the checker does not accept of the results on a private copy."""
    own = private(case)
    got = question.run(own)
    return judged(question, own, case, got, np.random.default_rng(0)).failures


def look_further(question: Question, source: GeneratorSource, case: Case) -> list[Looked]:
    """The case and ``LATER`` others."""
    found = []
    for each in (case, *(question.draw(source) for _ in range(LATER))):
        try:
            found.append(Looked(each, failures_of(question, each)))
        except (Exception, SystemExit):
            found.append(Looked(each, None))
    return found


def right_all_the_same(question: Question, case: Case, looked: Sequence[Looked]) -> list[str]:
    """Gradients that were right on every case, where another was not."""
    wrong: set[str] = set()
    for _, failures in looked:
        if failures is None or any(failure.breach for failure in failures):
            return []
        wrong.update(failure.result for failure in failures)
    told = [n for n in question.reference(case) if n != "y"]
    return [n for n in told if n not in wrong] if len(told) <= 8 else []


def only_where(looked: Sequence[Looked]) -> str:
    """``norm='pre'``: the one setting that all wrong cases have and no right one has; or empty."""
    wrong = [_settings(each.case) for each in looked if each.wrong]
    right = [_settings(each.case) for each in looked if not each.wrong]
    if min(len(wrong), len(right)) < ENOUGH:
        return ""
    shared = set[str].intersection(*wrong) - set[str]().union(*right)
    return min(shared, default="")


def _settings(case: Case) -> set[str]:
    return set(_said(case.static))


def _said(static: Any) -> Iterator[str]:
    for name, value in static.items():
        if name == "settings":
            yield from _said(value)
        elif isinstance(value, np.ndarray):
            yield f"a {name}"
        elif value is None or isinstance(value, (bool, str)):
            yield f"{name}={value!r}"
