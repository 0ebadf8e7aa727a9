"""Which component of the registry something is: its mutants are then its likely mistakes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.strategies import GeneratorSource
from npformer.verify.component import Component
from npformer.verify.components.op_component import OpComponent
from npformer.verify.diagnosis.evidence import Evidence, silence

ALIKE = 1e-4
"""How near the outputs must be to those of the registry's operation, of their size."""
DRAWN = 8
"""Draws of an operation's options, among which to find those of a function like it."""
FURTHER = 10.0
"""How many times nearer the output has to be for other options than the usual ones."""


@dataclass(frozen=True)
class Known:
    """A component of the registry, and what its arguments are called here."""

    component: Any
    names: Mapping[str, str] | None = None
    """Name here -> name there; None where they are the same."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What it is told there and nobody says here, such as the eps of a norm."""

    def seen_as(self, planted: Component) -> Component:
        """``planted``, which is of the registry, with the arguments' names of here."""
        return planted if self.names is None else _Renamed(planted, self.names, self.options)


def known(evidence: Evidence) -> Known | None:
    """What is registered under its name, or the operation that gives the same output."""
    return evidence.once("known", lambda: _look_up(evidence))


def _look_up(evidence: Evidence) -> Known | None:
    from npformer.verify.components.registry import COMPONENTS

    here = evidence.component
    names = getattr(here, "names", None)
    if names is None:
        return Known(COMPONENTS[here.name]) if here.name in COMPONENTS else None
    # A function of the caller's own, whatever its name: the first arrays are the arguments.
    order = [*names, *(n for n in evidence.case.inputs if n not in names)]
    y = evidence.right.get("y")
    if y is None or not y.size or not np.isfinite(y).all() or not y.any():
        return None
    for op in COMPONENTS.values():
        if isinstance(op, OpComponent):
            there = _arguments(op)
            renamed = dict(zip(order, there, strict=False))
            if len(order) <= len(there) and _gives(_Renamed(op, renamed), evidence, y):
                return Known(op, renamed, _options(op, renamed, evidence, y))
    return None


def _options(
    op: OpComponent, names: Mapping[str, str], evidence: Evidence, y: np.ndarray
) -> dict[str, Any]:
    """Those that the operation is drawn with, and that come nearest to this output."""
    source = GeneratorSource(np.random.default_rng(0))
    taken, best = {}, _gap(_Renamed(op, names), evidence, y)
    for _ in range(DRAWN):
        drawn = op.draw(source, evidence.case.dy.dtype).static
        options = {n: v for n, v in drawn.items() if isinstance(v, (bool, int, float))}
        gap = _gap(_Renamed(op, names, options), evidence, y)
        if gap < best / FURTHER:
            taken, best = options, gap
    return taken


def _gap(op: Component, evidence: Evidence, y: np.ndarray) -> float:
    """How far its output is from ``y``; inf where it gives none like it."""
    try:
        with silence():
            found = op.forward(evidence.case)
        return float(np.abs(found - y).max()) if found.shape == y.shape else np.inf
    except Exception:  # options that go with other arguments
        return np.inf


def _arguments(op: OpComponent) -> list[str]:
    parameters = inspect.signature(op.pair[0]).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


def _gives(op: Component, evidence: Evidence, y: np.ndarray) -> bool:
    """Whether the operation has this output, and gradients of these shapes."""
    try:
        with silence():
            found = op.forward(evidence.case)
            near = np.abs(found - y).max() <= ALIKE * np.abs(y).max()
            if found.shape != y.shape or not near:
                return False
            # An argument that it would broadcast otherwise gets a gradient of another shape.
            shapes = {name: np.shape(a) for name, a in op.run(evidence.case).items()}
    except Exception:  # these are not its arguments
        return False
    return all(shapes.get(name) == a.shape for name, a in evidence.right.items())


@dataclass(frozen=True)
class _Renamed(Component):
    """A component of the registry that goes by other names for its arguments."""

    inner: Any
    names: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)

    def _case(self, case: Case) -> Case:
        defaults = inspect.signature(self.inner.pair[0]).parameters
        known = {n: p.default for n, p in defaults.items() if p.default is not p.empty}
        static = {self.names.get(n, n): v for n, v in case.static.items()}
        given = {self.names[n]: a for n, a in case.inputs.items()}
        known = {n: v for n, v in known.items() if n not in given and n != "bias"}
        return Case(given, {**known, **self.options, **static}, case.dy)

    def forward(self, case: Case) -> np.ndarray:
        return self.inner.forward(self._case(case))

    def run(self, case: Case) -> Result:
        result = self.inner.run(self._case(case))
        back = {f"d{there}": f"d{here}" for here, there in self.names.items()}
        return {back.get(name, name): a for name, a in result.items()}
