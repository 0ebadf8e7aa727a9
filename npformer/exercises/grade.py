"""The verdict on a submission: by property, so that any correct formulation passes."""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from npformer.cards.case import Case
from npformer.cards.strategies import GeneratorSource
from npformer.exercises.exercise import Exercise, ExerciseError
from npformer.exercises.explain import Mistakes, explain
from npformer.exercises.faults import Fault, numbers, of_exception
from npformer.exercises.further import (
    LATER,
    failures_of,
    look_further,
    only_where,
    right_all_the_same,
)
from npformer.exercises.load import load_python
from npformer.exercises.outcome import Kind, Outcome
from npformer.exercises.question import Question, parameters_of
from npformer.exercises.questions import question_of
from npformer.exercises.render import indexed, with_imports
from npformer.verify.answer.shrink import smallest
from npformer.verify.diagnosis.evidence import silence
from npformer.verify.verdict import Failure, at_index

on_fault: ContextVar[Callable[[Outcome], None] | None] = ContextVar("on_fault", default=None)
"""Told of a fault before the search for its smallest example and its cause, which may take long."""
PRINTED = 4000
"""Characters kept of what a submission prints."""
SEARCH = 4.0
"""Seconds for the smallest example."""


def grade(exercise: Exercise, submission: Any, cases: int | None = None, seed: int = 0) -> Outcome:
    """The answer to a submission: a module, or any object with the functions as attributes.

    It is run in this process; ``runner.check_submission`` runs a file in another, with limits.

    Raises ``ExerciseError`` if the exercise itself is wrong.
    """
    cases = exercise.cases if cases is None else cases
    missing = [n for n in exercise.functions if not callable(getattr(submission, n, None))]
    if missing:
        return Outcome("blank", f"the file defines no function {missing[0]}")
    for name in exercise.functions:
        home = getattr(getattr(submission, name), "__module__", None) or ""
        if home.startswith(("npformer.ops", "npformer.nn", "npformer.models", "torch")):
            return Outcome("blank", f"{name} is imported from {home}; write your own")
    solution = load_python(exercise.folder / "solution.py")
    for name, right in vars(solution).items():
        if complaint := _other_arguments(name, getattr(submission, name, None), right):
            return Outcome("broken", complaint)
    if exercise.grade == "python":
        grader = load_python(exercise.folder / "grade.py")
        if not hasattr(grader, "grade"):
            raise ExerciseError(f"{exercise.folder / 'grade.py'} defines no function grade")
        with silence():
            outcome = grader.grade(submission, cases, seed)
        return outcome.with_(
            chapter=outcome.chapter or exercise.walkthrough, example=with_imports(outcome.example)
        )
    question = question_of(exercise, submission, solution)
    outcome = answer(question, submission, cases, seed, mistakes_of(exercise))
    return outcome.with_(chapter=exercise.walkthrough, example=with_imports(outcome.example))


def _other_arguments(name: str, own: Any, right: Any) -> str:
    """Functions are called with keywords, so the names must stay; but of dy and cache."""
    if name.endswith("_backward") or not (inspect.isfunction(own) and inspect.isfunction(right)):
        return ""
    parameters = parameters_of(own)
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return ""
    names = [p.name for p in parameters]
    wanted = [p.name for p in parameters_of(right)]
    if all(n in names for n in wanted):
        return ""
    return f"{name} takes {', '.join(names)}; it must take {', '.join(wanted)}, by these names"


def answer(
    question: Question,
    submission: Any,
    cases: int = 100,
    seed: int = 0,
    mistakes: Mistakes = (),
) -> Outcome:
    """The answer to one question: ``cases`` generated cases, all of which must be right."""
    path = _path(submission)
    source = GeneratorSource(np.random.default_rng([seed, *question.name.encode()]))
    with silence():
        for number in range(1, cases + 1):
            case = question.draw(source)
            fault = fault_of(question, case, path)
            if fault is not None:
                return _failed(question, case, fault, path, number, source, mistakes, seed)
    return Outcome("passed", f"right on {cases} generated cases", cases=cases)


def fault_of(question: Question, case: Case, path: Path | None = None) -> Fault | None:
    """What is wrong with the submission's answer to one case; None if nothing is."""
    try:
        failures = failures_of(question, case)
    except (Exception, SystemExit) as error:
        return of_exception(error, path)
    return _in_words(failures[0]) if failures else None


def _in_words(failure: Failure) -> Fault:
    """What the checker does not accept, for a learner."""
    name, message = failure.result, failure.message
    if failure.breach == "written":
        said = f"the call changes {name}, which is its input; write to a copy instead"
        return Fault("written", said, name)
    if failure.breach == "shape":
        return Fault("shape", message.replace("its shape is", f"{name} has the shape"), name)
    if failure.breach:
        said = f"{name} is missing" if failure.breach == "missing" else f"{name}: {message}"
        return Fault("type", said, name)
    got, right, index = failure.got, failure.expected, failure.index or ()
    shown, wanted = numbers(got, right)
    said = f"{at_index(name, index)} is {shown} and should be {wanted}"
    return Fault("value", said, name, index, got, right)


def _failed(
    question: Question,
    case: Case,
    fault: Fault,
    path: Path | None,
    number: int,
    source: GeneratorSource,
    mistakes: Mistakes,
    seed: int,
) -> Outcome:
    if fault.kind == "blank":
        return Outcome("blank", fault.sentence, cases=number)
    kind: Kind = "broken" if fault.kind in ("error", "type") else "wrong"
    if tell := on_fault.get():
        tell(Outcome(kind, fault.sentence, cases=number))
    looked = look_further(question, source, case) if fault.kind in ("value", "error") else []
    right = right_all_the_same(question, case, looked) if fault.kind == "value" else []
    only = only_where(looked)
    telling = _telling(question, source, case, fault, path)
    found = explain(question, telling, mistakes, seed) if telling else ""
    case = smallest(
        question, case, lambda c: fault.same_as(fault_of(question, c, path)), seconds=SEARCH
    )
    fault = fault_of(question, case, path) or fault
    verdict = fault.sentence
    if right:
        verdict += f"; {_and(right)} {'is' if len(right) == 1 else 'are'} right"
    if only:
        verdict += f"; only with {only}"
    return Outcome(
        kind,
        verdict,
        example=_example(question, case, fault),
        diagnosis=found,
        cases=number,
        printed=_printed(question, case, path),
    )


def _telling(
    question: Question, source: GeneratorSource, case: Case, fault: Fault, path: Path | None
) -> Case | None:
    """A case whose wrong result can be explained: an exception here may be a value elsewhere."""
    if fault.kind in ("value", "shape"):
        return case
    if fault.kind == "error":
        for other in (question.draw(source) for _ in range(LATER)):
            seen = fault_of(question, other, path)
            if seen is not None and seen.kind in ("value", "shape"):
                return other
    return None


def _printed(question: Question, case: Case, path: Path | None) -> str:
    """What the submission prints for this one case: the search has called it hundreds of times."""
    heard = io.StringIO()
    with contextlib.redirect_stdout(heard):
        fault_of(question, case, path)
    return heard.getvalue()[:PRINTED]


def _example(question: Question, case: Case, fault: Fault) -> str:
    lines = question.code(case, fault.result)
    if fault.got is not None or fault.index:
        at = f"[{', '.join(map(str, fault.index))}]" if fault.index else ""
        result = fault.result
        if result.startswith("grad ") and fault.got:  # without a backward there is none to print
            result = f"layer.{indexed(result.removeprefix('grad '))}.grad"
        printed = lines and lines[-1] == "print(result)"
        named = " " in result or printed
        lines.append(f"# {fault.sentence}" if named else f"print({result}{at})")
    elif fault.kind == "shape" and fault.result.isidentifier():
        lines.append(f"print({fault.result}.shape)")
    elif fault.kind != "error":
        lines.append(f"# {fault.sentence}")
    return "\n".join(lines)


def mistakes_of(exercise: Exercise) -> Mistakes:
    """Those of the exercise's own ``mistakes.py``, if there is one."""
    path = exercise.folder / "mistakes.py"
    return load_python(path).MISTAKES if path.is_file() else []


def _path(submission: Any) -> Path | None:
    file = getattr(submission, "__file__", None)
    return Path(file) if file else None


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
