"""Which mistake gives exactly this wrong result."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.strategies import GeneratorSource
from npformer.exercises.function_question import FunctionQuestion
from npformer.exercises.question import Question, private
from npformer.verify.diagnosis.evidence import Evidence

CASES = 6


Mistakes = Sequence[tuple[str, str | Mapping[str, Callable[..., Any]]]]
"""What follows "this is what you get when", and the wrong functions by name, or the name of a
wrong version on a card."""


def explain(question: Question, case: Case, mistakes: Mistakes = (), seed: int = 0) -> str:
    """A sentence; empty if nothing known explains the submission's results.

    The exercise's own mistakes come first, then the catalogue's mutants and what can be wrong with
    any gradient, which ``npformer.verify.diagnosis`` tells apart.
    """
    source = GeneratorSource(np.random.default_rng(seed))
    cases = [case, *(question.draw(source) for _ in range(CASES - 1))]
    seen = [cache(partial(_seen, question, case)) for case in cases]
    for sentence, functions in mistakes:
        if isinstance(functions, str):
            functions = _on_card(functions)
        if _same(question.with_functions(functions), cases, seen):
            return f"this is what you get when {sentence}"
    if isinstance(question, FunctionQuestion):
        return ""
    from npformer.verify.diagnosis import diagnose_implementation

    found = diagnose_implementation(question, case, seed)
    # A number at its end is of the case that was diagnosed, not of the example that is shown.
    return re.sub(r" = [-\d.e]+$", "", found[0].sentence) if found else ""


def _on_card(name: str) -> dict[str, Callable[..., Any]]:
    """The pair of the package with the mistake of that name, ``attention/nan-rows``, in it."""
    from npformer.verify.components.registry import COMPONENTS
    from npformer.verify.mutants import MUTANTS

    op = MUTANTS[name].component
    forward, backward = MUTANTS[name].plant(COMPONENTS[op]).pair
    return {f"{op}_forward": forward, f"{op}_backward": backward}


def _seen(question: Question, case: Case) -> Evidence | None:
    """What the submission makes of the case; None if it fails."""
    mine = _results(question, case)
    return None if mine is None else Evidence.of(question, private(case), mine)


def _same(
    other: Question, cases: list[Case], seen: Sequence[Callable[[], Evidence | None]]
) -> bool:
    """Whether ``other`` gives what was seen, wrong results among them, or fails where it failed."""
    shown = False
    for case, mine in zip(cases, seen, strict=True):
        evidence, theirs = mine(), _results(other, case)
        if evidence is None or theirs is None:
            if evidence is None and theirs is None:
                continue
            return False
        if not evidence.explained_by(theirs):
            return False
        shown = shown or bool(evidence.names)
    return shown


def _results(question: Question, case: Case) -> Result | None:
    try:
        return question.run(private(case))
    except (Exception, SystemExit):
        return None
