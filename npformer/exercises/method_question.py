"""The question to a method of a module of the package, as the learner writes it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.exercises.faults import Complaint, gradients, no_pair
from npformer.exercises.question import Function, Question
from npformer.exercises.render import assignment, built, filled, given, indexed, is_other
from npformer.seam import replacing


@dataclass(frozen=True)
class MethodQuestion(Question):
    """A method of a module of the package, written by the learner as a function of the module."""

    stem: str = ""
    """``layer``, for ``layer_backward(layer, dy, cache)``."""
    owner: Any = None
    """The class."""
    functions: Mapping[str, Function] = field(default_factory=dict)
    """By method: ``backward``, perhaps ``forward``."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the constructor's arguments, those that every case must have."""

    def suits(self, case: Case) -> bool:
        drawn = case.static.get("settings", {})
        return super().suits(case) and all(drawn[n] == v for n, v in self.settings.items())

    def run(self, case: Case) -> Result:
        component: Any = self.base
        names = [f"d{n}" for n in self._inputs(case)]
        own = {getattr(self.owner, m): self._method(m, f, names) for m, f in self.functions.items()}
        with replacing(own):
            return {n: a for n, a in component.extended(case).items() if a is not None}

    def expected(self, case: Case) -> Result:
        with np.errstate(all="ignore"):
            return self.base.extended(case)

    def _inputs(self, case: Case) -> list[str]:
        names: list[str] = self.base.arguments(case)  # type: ignore[attr-defined]
        return names

    def _method(self, method: str, function: Function, names: list[str]) -> Function:
        name = f"{self.stem}_{method}"

        def call(layer: Any, *arguments: Any, **keywords: Any) -> Any:
            """Raises ``Complaint`` if a forward does not return a pair."""
            found = function(layer, *arguments, **keywords)
            if method == "forward":
                if not isinstance(found, tuple) or len(found) != 2:
                    raise Complaint("type", no_pair(name, found))
                return found
            each = tuple(gradients(found, names, name).values())
            return each if len(each) > 1 else each[0]

        return call

    def with_functions(self, functions: Mapping[str, Function]) -> MethodQuestion:
        own = {m: functions.get(f"{self.stem}_{m}", f) for m, f in self.functions.items()}
        return dataclasses.replace(self, functions=own)

    def code(self, case: Case, result: str = "") -> list[str]:
        inputs = self._inputs(case)
        owner = self.owner.__name__
        used = {self.owner, *map(type, filter(dataclasses.is_dataclass, case.static["build"]))}
        build = ", ".join([*map(built, case.static["build"]), *self._settings(case)])
        parameters = inspect.signature(self.owner.forward).parameters
        lines = [
            *sorted(f"from {t.__module__} import {t.__name__}" for t in used),
            "",
            f"layer = {owner}({build}, rng=np.random.default_rng(0), dtype=np.float64)",
            "for _, parameter in layer.named_parameters():",
            "    parameter.data[...] = 0",
        ]
        for name in case.inputs:
            array = case.inputs[name]
            if name not in inputs and array.any():
                lines.append(f"layer.{indexed(name)}.data[...] = {filled(array)}")
        lines += [assignment(name, case.inputs[name]) for name in inputs]
        words = inputs.copy()
        for name, value in case.static.items():
            if name in parameters and is_other(value, parameters[name].default):
                words.append(f"{name}={given(name, value)}")
        called = f"y, cache = layer.forward({', '.join(words)})"
        if result == "y":
            return [*lines, called]
        results = ", ".join(f"d{n}" for n in inputs)
        return [
            *lines,
            assignment("dy", case.dy),
            called,
            f"{results} = {self.stem}_backward(layer, dy, cache)",
        ]

    def _settings(self, case: Case) -> list[str]:
        """Those of the constructor's arguments that are not as usual, as Python."""
        parameters = inspect.signature(self.owner).parameters
        return [
            f"{name}={value!r}"
            for name, value in case.static.get("settings", {}).items()
            if is_other(value, parameters[name].default)
        ]
