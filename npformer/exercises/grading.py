"""What a ``grade.py`` is made of: each function asks one question and gives an ``Outcome``.

from npformer.exercises.grading import against_function, first_failure

def grade(submission, cases, seed):
    return first_failure(
        lambda: against_function(submission, "positions", right, draw, cases=cases, seed=seed),
        lambda: ...,
    )
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from npformer.cards.strategies import Source
from npformer.exercises.explain import Mistakes
from npformer.exercises.function_question import FunctionQuestion
from npformer.exercises.grade import answer
from npformer.exercises.outcome import Outcome
from npformer.exercises.questions import component_question, solution_question
from npformer.verify.component import Component

Function = Callable[..., Any]


def against_component(
    submission: Any,
    name: str,
    part: str,
    *,
    cases: int = 100,
    seed: int = 0,
    static: Mapping[str, Any] | None = None,
    largest: float = 20.0,
    mistakes: Mistakes = (),
) -> Outcome:
    """``component:NAME:PART``. ``static`` fixes arguments; a list is a choice."""
    question = component_question(name, part, submission, static=static, largest=largest)
    return answer(question, submission, cases, seed, mistakes)


def against_solution(
    submission: Any,
    stem: str,
    part: str,
    solution: Any,
    inputs: str,
    *,
    cases: int = 100,
    seed: int = 0,
    static: Mapping[str, Any] | None = None,
    largest: float = 20.0,
    mistakes: Mistakes = (),
) -> Outcome:
    """``solution:STEM:PART``; ``solution`` is any object that has the right functions."""
    question = solution_question(
        stem, part, submission, solution, inputs, static=static, largest=largest
    )
    return answer(question, submission, cases, seed, mistakes)


def against_function(
    submission: Any,
    function: str,
    right: Function,
    arguments: Callable[[Source], dict[str, Any]],
    *,
    cases: int = 100,
    seed: int = 0,
    mistakes: Mistakes = (),
) -> Outcome:
    """The submission's ``function`` beside ``right``, on arguments drawn by name.

    ``arguments(source)`` draws with ``source.integer(low, high)`` and ``source.choice(options)``,
    of which simpler options come first, and ``draw_rng(source)`` for generic values. Both functions
    get them as keywords, an argument named ``rng`` as a generator of that seed. What they return
    (arrays, numbers, tuples, lists, dictionaries of those) must agree entry by entry.
    """
    question = FunctionQuestion(
        function,
        Component(),
        function=function,
        arguments=arguments,
        right=right,
        call=getattr(submission, function),
    )
    return answer(question, submission, cases, seed, mistakes)


def first_failure(*questions: Callable[[], Outcome]) -> Outcome:
    """Asked in turn; the first answer that is no pass, or a pass on all cases together."""
    cases = 0
    for ask in questions:
        outcome = ask()
        if not outcome.passed:
            return outcome
        cases += outcome.cases
    return Outcome("passed", f"right on {cases} generated cases", cases=cases)
