"""From an exercise and a submission to the question: which component, which functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer import models, nn, ops
from npformer.cards.case import Case, Result, live
from npformer.cards.strategies import Source, draw_array
from npformer.errors import nearest
from npformer.exercises.exercise import Exercise, ExerciseError
from npformer.exercises.function_question import FunctionQuestion
from npformer.exercises.method_question import MethodQuestion
from npformer.exercises.question import PairQuestion, Question, parameters_of
from npformer.verify.component import Component
from npformer.verify.components.op_component import OpComponent
from npformer.verify.components.registry import COMPONENTS
from npformer.verify.inputs import Spec

Function = Callable[..., Any]

PARTS = {"forward": ("forward",), "backward": ("backward",), "pair": ("forward", "backward")}
KINDS = ("generic", "ties", "constant rows")


@dataclass(frozen=True)
class SolutionBase(Component):
    """Cases and right results for functions that are in no registry, from a solution."""

    name: str
    spec: str
    functions: Mapping[str, Function]
    """``forward`` and, unless only that is asked, ``backward``."""
    static: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "exercise"
    widest: Any = np.float64

    def draw(self, source: Source, dtype: Any) -> Case:
        spec = Spec.of(self.spec)
        arrays = spec.draw(source, np.dtype(dtype))
        names = [p.name for p in parameters_of(self.functions["forward"])][: len(arrays)]
        static = {n: source.choice(v) if isinstance(v, list) else v for n, v in self.static.items()}
        inputs = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
        found = self.functions["forward"](**inputs, **live(static))
        y = found[0] if isinstance(found, tuple) else found
        return Case(inputs, static, draw_array(source, np.shape(y), np.dtype(dtype), kinds=KINDS))

    def extended(self, case: Case) -> Result:
        found = self.functions["forward"](**case.inputs, **live(case.static))
        if "backward" not in self.functions:
            return {"y": found[0] if isinstance(found, tuple) else found}
        y, cache = found
        back = self.functions["backward"](case.dy, cache)
        each = back if isinstance(back, tuple) else (back,)
        return {"y": y} | {f"d{n}": g for n, g in zip(case.inputs, each, strict=True)}


def question_of(exercise: Exercise, submission: Any, solution: Any) -> Question:
    """What ``exercise.toml`` asks, of the functions in a submission (any object that has them).

    Raises ``ExerciseError`` if its ``grade`` names no component or part. ``grade = "python"`` is
    answered by the exercise's own grader instead.
    """
    kind, _, rest = exercise.grade.partition(":")
    stem, _, part = rest.partition(":")
    where = exercise.folder / "exercise.toml"
    if part not in PARTS and not (kind == "solution" and part == "function"):
        raise ExerciseError(
            f"{where}: grade is {exercise.grade!r}; its last part must be one of "
            f"{', '.join(PARTS)}" + nearest(part, PARTS)
        )
    options: dict[str, Any] = {"static": exercise.static, "largest": exercise.largest}
    if kind == "component":
        return component_question(stem, part, submission, **options)
    if not exercise.inputs:
        raise ExerciseError(f"{where} lacks inputs, the letter spec that 'solution' draws from")
    return solution_question(stem, part, submission, solution, exercise.inputs, **options)


def component_question(
    name: str,
    part: str,
    submission: Any,
    *,
    static: Mapping[str, Any] | None = None,
    largest: float = 20.0,
) -> Question:
    """Functions in the place of a registered op's, or of a registered module's methods.

    Raises ``ExerciseError`` if nothing of that name is registered.
    """
    if name not in COMPONENTS:
        raise ExerciseError(f"there is no component {name!r}" + nearest(name, COMPONENTS))
    base = COMPONENTS[name]
    stem = snake(name)
    asked = PARTS[part]
    if not isinstance(base, OpComponent):
        own = {m: getattr(submission, f"{stem}_{m}") for m in asked}
        owner = getattr(nn, name, None) or getattr(models, name)
        others = dict(static or {})
        settings = others.pop("settings", {})
        return MethodQuestion(
            name, base, others, largest, stem=stem, owner=owner, functions=own, settings=settings
        )
    given = {p: getattr(ops, f"{stem}_{p}") for p in ("forward", "backward")}
    return _pair(name, base, stem, asked, submission, given, static or {}, largest)


def solution_question(
    stem: str,
    part: str,
    submission: Any,
    solution: Any,
    inputs: str,
    *,
    static: Mapping[str, Any] | None = None,
    largest: float = 20.0,
) -> Question:
    """Functions beside those of the solution, on arrays for a letter spec."""
    if part == "function":
        right = getattr(solution, stem)
        base = SolutionBase(stem, inputs, {"forward": right}, static or {})
        call = getattr(submission, stem)

        def arguments(source: Source) -> dict[str, Any]:
            case = base.draw(source, np.float64)
            return {**case.inputs, **case.static}

        return FunctionQuestion(
            stem, base, {}, largest, function=stem, arguments=arguments, right=right, call=call
        )
    parts = PARTS["forward"] if part == "forward" else PARTS["pair"]
    right_pair = {p: getattr(solution, f"{stem}_{p}") for p in parts}
    base = SolutionBase(stem, inputs, right_pair, static or {})
    return _pair(stem, base, stem, PARTS[part], submission, right_pair, {}, largest)


def _pair(
    name: str,
    base: Component,
    stem: str,
    asked: tuple[str, ...],
    submission: Any,
    given: Mapping[str, Function],
    static: Mapping[str, Any],
    largest: float,
) -> PairQuestion:
    """A forward that the start gives counts as the submission's: its cache is the learner's."""
    own = {p: getattr(submission, f"{stem}_{p}", given[p]) for p in given}
    if asked == ("forward",):
        own.pop("backward", None)
    return PairQuestion(name, base, static, largest, stem=stem, asked=asked, functions=own)


def snake(name: str) -> str:
    """``LayerNorm`` -> ``layer_norm``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
