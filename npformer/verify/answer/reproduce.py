"""A failing case as a few lines of Python that show the wrong number, with no part of the checker.

What the caller gave is imported where it can be imported; a function that was defined in a
notebook or inside another is called by its name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from npformer.cards.case import Case
from npformer.verify.answer.literals import array_literal
from npformer.verify.answer.script import Script
from npformer.verify.answer.second_script import SecondScript
from npformer.verify.component import Component
from npformer.verify.components.op_component import OpComponent
from npformer.verify.subjects.second import JaxSecond
from npformer.verify.subjects.second_torch import Second
from npformer.verify.subjects.subjects import Pair
from npformer.verify.verdict import Failure, at_index


def reproduction(component: Component, failure: Failure) -> str:
    """The code; empty for a failure without a case."""
    case = failure.case
    if case is None:
        return ""
    subject = getattr(component, "subject", None)
    if subject is None and isinstance(component, OpComponent):
        subject = Pair(component.name, component.pair)
    if subject is None:
        lines = _component_lines(component, case, failure)
    else:
        kind = SecondScript if isinstance(subject, Second | JaxSecond) else Script
        lines = kind(component, subject, case, failure).lines()
    return "\n".join(lines)


def _component_lines(component: Component, case: Case, failure: Failure) -> list[str]:
    """A module or an optimizer of the registry: its case, run by the component."""
    configs = {type(v) for v in _flat(case.static.values()) if dataclasses.is_dataclass(v)}
    shown = failure.result if failure.index is not None else "y"
    return [
        "import numpy as np",
        *sorted(f"from {config.__module__} import {config.__name__}" for config in configs),
        "from npformer.verify import Case, component",
        "inputs = {",
        *(f"    {n!r}: {array_literal(a)}," for n, a in case.inputs.items()),
        "}",
        "static = {",
        *(f"    {n!r}: {_plain(v)}," for n, v in case.static.items()),
        "}",
        f"dy = {array_literal(case.dy)}",
        f"result = component({component.name!r}).run(Case(inputs, static, dy))",
        f"print({at_index(f'result[{shown!r}]', failure.index)})"
        + (f"  # expected {failure.expected:.6g}" if failure.index is not None else ""),
    ]


def _flat(values: Any) -> list[Any]:
    found = []
    for value in values:
        found += _flat(value) if isinstance(value, (tuple, list)) else [value]
    return found


def _plain(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return array_literal(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {_plain(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_plain, value))},)"
    return repr(value)
