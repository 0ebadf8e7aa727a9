"""A function of the caller's own in the place of an operation that the registry knows.

Cases, PyTorch's answer, scales and invariants are the operation's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Frozen, Result, joined
from npformer.cards.sources import Source, at_edges
from npformer.cards.strategies import draw_array
from npformer.errors import VerifyError
from npformer.verify.component import Component, Refused
from npformer.verify.components.op_component import OpComponent
from npformer.verify.inputs import InputSource
from npformer.verify.reference.wide import wide_for
from npformer.verify.subjects.subjects import ArgumentNames, Subject
from npformer.verify.subjects.user_cases import split
from npformer.verify.units.error import ACCEPT, RATIO


@dataclass(frozen=True)
class Fit:
    """How a function's parameters answer to an operation's."""

    call: ArgumentNames
    needed: tuple[str, ...]
    """Arguments that are optional to the operation and not to the function."""
    absent: tuple[str, ...]
    """Arguments that the function does not take; the operation gets its own defaults for them."""
    unknown: tuple[str, ...] = ()
    """Options of the function that the operation does not have."""


def fit(subject: Subject, op: OpComponent) -> Fit:
    """Match parameters: those that the operation needs by position, the others by name.

    Raises ``VerifyError`` if the function takes too few, or more than there is an argument for.
    """
    theirs = inspect.signature(op.pair[0]).parameters.values()
    required = [p.name for p in theirs if p.default is p.empty]
    optional = [p.name for p in theirs if p.default is not p.empty]
    mine = subject.parameters
    if mine is None or any(p.kind is p.VAR_POSITIONAL for p in mine):
        return Fit(ArgumentNames(tuple(required)), (), tuple(optional))
    open_ended = any(p.kind is p.VAR_KEYWORD for p in mine)
    named = [p for p in mine if p.kind is not p.VAR_KEYWORD]
    shown = f"{subject.name}({', '.join(p.name for p in named)})"
    places = [p for p in named if p.kind is not p.KEYWORD_ONLY]
    if len(places) < len(required):
        raise VerifyError(
            f"{shown} takes {len(places)} arguments; {op.name} has {len(required)}: "
            f"{', '.join(required)}"
        )
    rest = [p for p in named if p not in places[: len(required)]]
    keywords = [p.name for p in rest if p.name in optional]
    free = [name for name in optional if name not in keywords]
    positional, needed = list(required), [
        p.name for p in rest if p.name in keywords and p.default is p.empty
    ]  # fmt: skip
    for p in rest:
        if p.name in keywords or p.default is not p.empty:
            continue
        if not free or p.kind is p.KEYWORD_ONLY:
            raise VerifyError(
                f"{shown} needs {p.name!r}, which {op.name} does not have; "
                f"it has {', '.join(required + optional)}"
            )
        positional.append(free[0])
        needed.append(free.pop(0))
    if open_ended:
        keywords, free = keywords + free, []
    unknown = tuple(p.name for p in rest if p.name not in keywords and p.default is not p.empty)
    return Fit(
        ArgumentNames(tuple(positional), tuple(keywords)), tuple(needed), tuple(free), unknown
    )


@dataclass(frozen=True)
class RegisteredComponent(Component):
    """A subject that is measured as an operation of the registry is."""

    name: str
    subject: Subject
    op: OpComponent
    fit: Fit
    inputs: InputSource | None
    static: Mapping[str, Any]
    remarks: tuple[str, ...] = ()
    kind: str = "function"
    lenient = True

    def accepts(self, ours: float, pytorch: float) -> bool:
        """Without the cap: nobody's function has to be better than PyTorch's."""
        if self.bound is not None:
            return ours <= self.bound
        return ours <= ACCEPT or ours <= RATIO * pytorch

    @property
    def said_of_bound(self) -> str:
        if self.bound is not None:
            return super().said_of_bound
        return (
            f"errors up to {ACCEPT:g} pass, or up to twice PyTorch's own; a unit is eps x the "
            "condition scale"
        )

    @property
    def invariants(self) -> Any:  # type: ignore[override]
        return self.op.invariants

    @property
    def widest(self) -> Any:
        return self.subject.widest

    def widest_for(self, case: Case) -> Any:
        return wide_for(case, self.widest)

    @property
    def only_hypothesis(self) -> bool:  # type: ignore[override]
        return self.inputs is not None and self.inputs.only_hypothesis

    def draw(self, source: Source, dtype: Any) -> Case:
        """A case; raises VerifyError if the op's own lack what the subject needs.

        One of the op's is drawn again where the options that the subject has give y another shape.
        """
        if self.inputs is not None:
            return self._drawn_from_inputs(self.inputs, source, np.dtype(dtype))
        for _ in range(100):
            case = self._pinned(self.op.draw(at_edges(source), dtype))
            has_all = all(n in case.inputs or n in case.static for n in self.fit.needed)
            if has_all and self.op.plain(case) and self._fits(case):
                return case
        needed = ", ".join(self.fit.needed) or "options"
        raise VerifyError(
            f"{self.subject.name} needs {needed}, which the cases of {self.op.name} lack"
        )

    def _fits(self, case: Case) -> bool:
        """Whether dy has the shape of y, under the options that are pinned."""
        if not self.fit.absent and not self.static:
            return True
        try:
            with np.errstate(all="ignore"):
                return self.op.forward(case).shape == case.dy.shape
        except Exception:  # these options do not go together
            return False

    def sizes(self, case: Case) -> dict[str, int]:
        arrays = {**case.inputs, **case.static}
        return {
            letter: size
            for name, array in arrays.items()
            if isinstance(array, np.ndarray)
            for letter, size in zip(self.op.card.axes(name, array.ndim), array.shape, strict=False)
        }

    def _pinned(self, case: Case) -> Case:
        defaults = self._defaults()
        inputs = {n: a for n, a in case.inputs.items() if n not in self.fit.absent}
        static = {n: defaults[n] if n in self.fit.absent else v for n, v in case.static.items()}
        return Case(inputs, {**static, **self.static}, case.dy)

    def _defaults(self) -> dict[str, Any]:
        parameters = inspect.signature(self.op.pair[0]).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not p.empty}

    def _drawn_from_inputs(self, inputs: InputSource, source: Source, dtype: np.dtype) -> Case:
        arrays = inputs.draw(source, dtype)
        needed = [n for n in self.fit.call.positional if n not in self.static]
        if len(arrays) != len(needed):
            raise VerifyError(
                f"inputs has {len(arrays)} arrays; {self.op.name} takes {len(needed)}: "
                f"{', '.join(needed)}"
            )
        given, static = split(tuple(needed), arrays)
        known = {n: v for n, v in self._defaults().items() if n not in given and n != "bias"}
        bare = Case(given, {**known, **static, **self.static}, np.zeros(0, dtype))
        try:
            shape = self.op.forward(bare).shape
        except Exception as error:
            shapes = ", ".join(f"{n} {np.shape(a)}" for n, a in given.items())
            raise Refused(f"{self.op.name} refuses {shapes}: {error}") from error
        return Case(given, bare.static, draw_array(source, shape, dtype, upstream=True))

    def forward(self, case: Case) -> Array:
        return joined(self.subject.outputs(case))

    def run(self, case: Case) -> Result:
        return self.subject.run(case)

    def extended(self, case: Case) -> Result:
        return self.op.extended(case)

    def twin(self, case: Case) -> Result:
        return self.op.twin(case)

    def precise(self, case: Case) -> Result:
        return self.op.precise(case)

    def scales(self, case: Case) -> Result:
        return self.op.scales(case)

    def frozen_rows(self, case: Case) -> Frozen:
        return self.op.frozen_rows(case)

    def smooth(self, case: Case) -> bool:
        return self.op.smooth(case)
