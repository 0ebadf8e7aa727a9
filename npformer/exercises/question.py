"""What is asked of a submission: on which cases, with which right results, called how.

A ``Question`` is a component of the gradient-equivalence engine that runs the submission, so
that cases are drawn, shrunk and diagnosed as any component's.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result, live
from npformer.cards.strategies import HypothesisSource, Source
from npformer.exercises.exercise import ExerciseError
from npformer.exercises.faults import Complaint, an_array, gradients, no_pair
from npformer.exercises.render import assignment, given, is_other
from npformer.verify.component import Component

Array = np.ndarray
Function = Callable[..., Any]

LEAST, LARGEST = 0.1, 20.0
TRIES = 500
CLOSE = 1e-10
"""How far a right result may be off, relative to its own size and that of dy.

An exercise asks for the mathematics, so any formulation in float64 must fit in here. A wrong
formula has a far larger error, and one that computes in float32 one a thousand times as large.
"""


@dataclass(frozen=True)
class Question(Component):
    """The part that all kinds share: gentle cases, and the base's results as the right ones."""

    name: str
    base: Component
    """Draws the cases and gives the right results, by ``extended``."""
    static: Mapping[str, Any] = field(default_factory=dict)
    """Values that take the place of the base's own; a list is a choice."""
    largest: float = LARGEST
    kind: str = "exercise"
    witness: str = "the reference"
    _last: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def draw(self, source: Source, dtype: Any = np.float64) -> Case:
        """A case that suits; raises ExerciseError if none comes up."""
        for _ in range(TRIES):
            case = self.draw_once(source)
            if self.suits(case):
                return case
            if isinstance(source, HypothesisSource):
                source.reject()
        raise ExerciseError(f"{self.name}: {TRIES} draws gave no case that fits its functions")

    def draw_once(self, source: Source) -> Case:
        """A case that may not suit."""
        case = self.base.draw(source, np.float64)
        chosen = {n: source.choice(v) if isinstance(v, list) else v for n, v in self.static.items()}
        return private(dataclasses.replace(case, static={**case.static, **chosen}))

    def suits(self, case: Case) -> bool:
        """Of ordinary size: extremes are for those who write libraries, not for learners."""
        if not self.base.plain(case):
            return False
        arrays = [*case.inputs.values(), case.dy]
        for array in (*arrays, *(a for a in case.static.values() if isinstance(a, np.ndarray))):
            if not array.size and array is not case.dy:
                return False
        sizes = [np.abs(a).max(initial=0.0) for a in arrays]
        return all(size == 0 or LEAST <= size <= self.largest for size in sizes)

    def expected(self, case: Case) -> Result:
        """The right results that are asked for."""
        wide = case.cast(self.base.widest)
        with np.errstate(all="ignore"):
            return self.base.extended(wide)

    def reference(self, case: Case) -> Result:
        """Kept for the last case: the scales are of the same results."""
        if not self._last or self._last[0] is not case:
            self._last[:] = case, {n: np.asarray(a) for n, a in self.expected(case).items()}
        return dict(self._last[1])

    def precise(self, case: Case) -> Result:
        return self.reference(case)

    def twin(self, case: Case) -> Result:
        return {}

    def smooth(self, case: Case) -> bool:
        """The right results are sure: there is no need to differentiate the forward."""
        return False

    def scales(self, case: Case) -> Result:
        found = {}
        for name, a in self.reference(case).items():
            size = np.abs(a) + np.sqrt(np.mean(np.square(a))) if a.size else np.abs(a)
            size = size + np.abs(case.dy).max(initial=0.0)
            found[name] = np.where(size > 0, size, 1)
        return found

    def accepts(self, ours: float, pytorch: float) -> bool:
        return ours * float(np.finfo(np.float64).eps) <= CLOSE

    def with_functions(self, functions: Mapping[str, Function]) -> Question:
        """The same question, asked of other functions."""
        raise NotImplementedError

    def code(self, case: Case, result: str = "") -> list[str]:
        """Lines of Python that rebuild the case and call the submission, as far as ``result``."""
        raise NotImplementedError


@dataclass(frozen=True)
class PairQuestion(Question):
    """``y, cache = X_forward(...)`` and ``gradients = X_backward(dy, cache)``."""

    stem: str = ""
    """X."""
    asked: tuple[str, ...] = ("forward", "backward")
    """Which of both are the learner's own."""
    functions: Mapping[str, Function] = field(default_factory=dict)
    """``forward`` and ``backward``, the submission's or those given."""

    def draw_once(self, source: Source) -> Case:
        """Without what the forward has no argument for, where the op can do without it."""
        case = super().draw_once(source)
        pair = getattr(self.base, "pair", None)
        own = parameters_of(self.functions["forward"])
        if pair is None or any(p.kind is p.VAR_KEYWORD for p in own):
            return case
        names = {p.name for p in own}
        absent = {p.name for p in parameters_of(pair[0]) if p.default is None} - names
        static = {n: None if n in absent else v for n, v in case.static.items()}
        return dataclasses.replace(case, static=static)

    def suits(self, case: Case) -> bool:
        return super().suits(case) and self._fits(case)

    def _fits(self, case: Case) -> bool:
        parameters = parameters_of(self.functions["forward"])
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return True
        names = [p.name for p in parameters]
        needed = [p.name for p in parameters if p.default is p.empty]
        every = {**case.inputs, **case.static}
        return all(n in names for n in case.inputs) and all(n in every for n in needed)

    def run(self, case: Case) -> Result:
        """What the functions return; raises Complaint for what is no pair or no array."""
        name = f"{self.stem}_forward"
        found = self.functions["forward"](**case.inputs, **self._keywords(case))
        if "backward" not in self.functions:
            y = found[0] if isinstance(found, tuple) and len(found) == 2 else found
            return {"y": an_array(y, "y", name)}
        if not isinstance(found, tuple) or len(found) != 2:
            raise Complaint("type", no_pair(name, found))
        y, cache = found
        result = {"y": an_array(y, "y", name)}
        if np.shape(y) != case.dy.shape:
            return result
        names = [f"d{n}" for n in case.inputs]
        back = self.functions["backward"](case.dy, cache)
        return result | gradients(back, names, f"{self.stem}_backward")

    def expected(self, case: Case) -> Result:
        right = super().expected(case)
        return right if "backward" in self.functions else {"y": right["y"]}

    def _keywords(self, case: Case) -> dict[str, Any]:
        """The static arguments that the forward takes."""
        parameters = parameters_of(self.functions["forward"])
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return live(case.static)
        return {n: v for n, v in live(case.static).items() if n in [p.name for p in parameters]}

    def _returned(self, case: Case) -> str:
        """What the forward returns: some return a cache although only y is asked for."""
        own = private(case)
        try:
            found = self.functions["forward"](**own.inputs, **self._keywords(own))
        except (Exception, SystemExit):
            return "y"
        return "y, cache" if isinstance(found, tuple) and len(found) == 2 else "y"

    def _in_order(self, case: Case) -> bool:
        """Whether the inputs are the forward's first arguments, and need no keywords."""
        parameters = parameters_of(self.functions["forward"])
        names = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        return names[: len(case.inputs)] == list(case.inputs)

    def with_functions(self, functions: Mapping[str, Function]) -> PairQuestion:
        own = {p: functions.get(f"{self.stem}_{p}", f) for p, f in self.functions.items()}
        return dataclasses.replace(self, functions=own)

    def code(self, case: Case, result: str = "") -> list[str]:
        forward_only = "backward" not in self.functions or result == "y"
        parameters = parameters_of(self.functions["forward"])
        usual = {p.name: p.default for p in parameters}
        taken = {n: case.static[n] for n in self._keywords(case)}
        keywords = {n: v for n, v in taken.items() if is_other(v, usual.get(n))}
        lines = [assignment(n, a) for n, a in {**case.inputs, "dy": case.dy}.items()]
        if forward_only:
            lines.pop()
        words = list(case.inputs) if self._in_order(case) else [f"{n}={n}" for n in case.inputs]
        for name, value in keywords.items():
            if isinstance(value, np.ndarray) and value.size > 1:
                lines.append(assignment(name, value))
                words.append(f"{name}={name}")
            else:
                words.append(f"{name}={given(name, value)}")
        if forward_only:
            y = "y, cache" if "backward" in self.functions else self._returned(case)
            return [*lines, f"{y} = {self.stem}_forward({', '.join(words)})"]
        results = ", ".join(f"d{n}" for n in case.inputs)
        return [
            *lines,
            f"y, cache = {self.stem}_forward({', '.join(words)})",
            f"{results} = {self.stem}_backward(dy, cache)",
        ]


def private(case: Case) -> Case:
    """Fresh arrays that may be written to, each row after the other in memory."""

    def copy(value: Any) -> Any:
        return np.array(value, order="C") if isinstance(value, np.ndarray) else value

    return Case(
        {n: copy(a) for n, a in case.inputs.items()},
        {n: copy(v) for n, v in case.static.items()},
        copy(case.dy),
    )


def parameters_of(function: Function) -> Sequence[inspect.Parameter]:
    """Those of the function's signature."""
    if isinstance(function, FunctionType):  # always hashable, which not every callable is
        return _parameters_of(function)
    return tuple(inspect.signature(function).parameters.values())


@lru_cache(maxsize=64)
def _parameters_of(function: FunctionType) -> Sequence[inspect.Parameter]:
    return tuple(inspect.signature(function).parameters.values())
