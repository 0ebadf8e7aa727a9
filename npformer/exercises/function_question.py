"""The question to any function: what it returns, beside what a right one does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result, live
from npformer.cards.strategies import Source
from npformer.exercises.faults import Complaint, a_kind
from npformer.exercises.question import Function, Question, private
from npformer.exercises.render import assignment, code, given, short


@dataclass(frozen=True)
class FunctionQuestion(Question):
    """A function beside a reference of the same arguments; results are compared by value."""

    function: str = ""
    arguments: Callable[[Source], dict[str, Any]] = lambda source: {}
    """Draws the arguments, by name."""
    right: Function = lambda: None
    call: Function = lambda: None

    def draw_once(self, source: Source) -> Case:
        every = self.arguments(source)
        real = {n: v for n, v in every.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
        return private(Case(real, {n: v for n, v in every.items() if n not in real}, np.zeros(0)))

    def suits(self, case: Case) -> bool:
        return True

    def run(self, case: Case) -> Result:
        """The arrays that it returns; text, None and numbers of entries are compared here.

        Raises ``Complaint`` where one of these is not as it should be.
        """
        got = flat(self.call(**case.inputs, **live(case.static)), "the result")
        for name, right in self._entries(case).items():
            if isinstance(right, np.ndarray):
                continue
            if name not in got:
                raise Complaint("type", f"{name} is missing", name)
            if isinstance(got[name], np.ndarray) or got[name] != right:
                texts = isinstance(got[name], str) and isinstance(right, str)
                each = (got[name], right) if texts else (short(got[name]), repr(right))
                said = f"{name} is {each[0]} and should be {each[1]}"
                raise Complaint("value", said, name)
        return _arrays(got)

    def expected(self, case: Case) -> Result:
        return _arrays(self._entries(case))

    def _entries(self, case: Case) -> dict[str, Any]:
        return flat(self.right(**case.inputs, **live(case.static)), "the result")

    def with_functions(self, functions: Mapping[str, Function]) -> FunctionQuestion:
        return dataclasses.replace(self, call=functions.get(self.function, self.call))

    def code(self, case: Case, result: str = "") -> list[str]:
        lines = [assignment(n, a) for n, a in case.inputs.items()]
        words = [f"{n}={n}" for n in case.inputs]
        for name, value in case.static.items():
            if name == "rng" and value is not None:
                words.append(f"rng={given(name, value)}")
            elif isinstance(value, np.ndarray):
                lines.append(assignment(name, value))
                words.append(f"{name}={name}")
            else:
                words.append(f"{name}={code(value)}")
        return [*lines, f"result = {self.function}({', '.join(words)})", "print(result)"]


def _arrays(entries: Mapping[str, Any]) -> Result:
    return {name: a for name, a in entries.items() if isinstance(a, np.ndarray)}


def flat(value: Any, name: str) -> dict[str, Any]:
    """Nested results by name: ``the result[0]``; those of a dictionary by its own keys, ``m``.

    Raises ``Complaint`` for one that is neither text, None nor numbers.
    """
    if isinstance(value, dict):
        own = name == "the result" and all(isinstance(k, str) for k in value)
        parts = [(k if own else f"{name}[{k!r}]", v) for k, v in value.items()]
    elif hasattr(value, "_fields"):
        parts = [(f"{name}.{f}", getattr(value, f)) for f in value._fields]
    elif isinstance(value, (tuple, list)) and not all(np.isscalar(v) for v in value):
        parts = [(f"{name}[{i}]", v) for i, v in enumerate(value)]
    else:
        if isinstance(value, (str, bytes)) or value is None:
            return {name: value}
        try:
            array = np.asarray(value)
        except ValueError:
            array = np.asarray(None)
        if array.dtype.kind not in "fiub":
            raise Complaint("type", f"{name} is {a_kind(value)}; it must hold numbers", name)
        return {name: array.astype(np.float64)}
    found: dict[str, Any] = {f"the number of entries of {name}": len(parts)}
    for part, inner in parts:
        found |= flat(inner, part)
    return found
