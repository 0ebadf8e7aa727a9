"""A function that the registry does not know: what its cases are, and who is asked about them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from npformer.cards.case import Array, Case
from npformer.cards.sources import Source, at_edges, draw_rng, rarely
from npformer.cards.strategies import draw_array
from npformer.verify.component import Component, Refused
from npformer.verify.inputs import InputSource
from npformer.verify.reference.wide import wide_for
from npformer.verify.subjects.kinds import refusal
from npformer.verify.subjects.subjects import Subject
from npformer.verify.units import sixteen
from npformer.verify.units.sixteen import EPS, in_bfloat16

T = TypeVar("T")
REDRAWN = 20
"""Draws, at most, until no number is too large for sixteen bits."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class UserCases(Component):
    """A subject beside its reference, or beside the derivative of its own forward."""

    name: str
    subject: Subject
    against: Subject | None
    inputs: InputSource
    names: tuple[str, ...]
    """Of the arguments, in order."""
    static: Mapping[str, Any]
    initial: Mapping[str, Array]
    """The parameters of a module, by path."""
    remarks: tuple[str, ...] = ()
    entrywise: bool = False
    """Whether the reference's gradient is to be differentiated entry by entry: exact, but slow."""
    inside: str = ""
    sixteen: str = ""
    """float16 or bfloat16, if it is checked in that."""
    kind: str = "function"
    has_kinks = True
    lenient = True
    shapes: dict[Any, dict[str, Shape]] = field(default_factory=dict, repr=False, compare=False)

    last: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def witness(self) -> str:  # type: ignore[override]
        return self.against.name if self.against else "itself in float64"

    @property
    def only_hypothesis(self) -> bool:  # type: ignore[override]
        return self.inputs.only_hypothesis

    @property
    def widest(self) -> Any:
        return min(self.subject.widest, self._trusted.widest, key=lambda d: -np.finfo(d).eps)

    def widest_for(self, case: Case) -> Any:
        return wide_for(case, self.widest)

    @property
    def _trusted(self) -> Subject:
        """Whose forward is differentiated."""
        if self.against is not None and not self.against.has_gradient:
            return self.against
        return self.subject

    @property
    def has_witness(self) -> bool:
        """Whether another function says what the gradient is."""
        return self.against is not None and self.against.has_gradient

    @property
    def _judge(self) -> Subject:
        """Whose gradient is measured against."""
        return self.against if self.has_witness else self.subject  # type: ignore[return-value]

    @property
    def _bits(self) -> str:
        """The precision whose units count, if not the case's own."""
        return self.inside or self.sixteen

    def draw(self, source: Source, dtype: Any) -> Case:
        for _ in range(REDRAWN if self.sixteen else 1):
            arrays = self.inputs.draw(at_edges(source), np.dtype(dtype))
            if all(_moderate(a) for a in arrays if a is not None and a.dtype.kind == "f"):
                break
        return self.case_of(source, arrays, np.dtype(dtype))

    def case_of(self, source: Source, arrays: Sequence[Array | None], dtype: np.dtype) -> Case:
        """The case of these arrays, with parameters and an upstream gradient that are drawn."""
        inputs, static = split(self.names, arrays)
        for path, initial in self.initial.items():
            spread = float(np.sqrt(np.mean(np.square(initial)))) if initial.size else 1.0
            noise = 0.3 * (spread or 1.0) * draw_rng(source).standard_normal(initial.shape)
            inputs[path] = (initial + noise).astype(dtype)
        bare = Case(inputs, {**static, **self.static}, np.zeros(0, dtype))
        dy, *more = (
            draw_array(source, s, dtype, upstream=True) for s in self._shapes(bare).values()
        )
        case = dataclasses.replace(bare, dy=dy, more=tuple(more))
        if self.sixteen == "bfloat16":
            case = in_bfloat16(case)
        if more and rarely(source, 4):  # most callers leave some of the outputs alone
            unused = source.choice(list(case.upstream))
            case = case.with_upstream({unused: np.zeros_like(case.upstream[unused])})
        return case

    def sizes(self, case: Case) -> dict[str, int]:
        every = {**case.inputs, **case.static}
        return self.inputs.sizes([every.get(name) for name in self.names])

    def _shapes(self, case: Case) -> dict[str, Shape]:
        """Of the outputs."""
        key = tuple((n, np.shape(a)) for n, a in (*case.inputs.items(), *case.static.items()))
        if key not in self.shapes:
            inputs = {n: np.array(a) for n, a in case.inputs.items()}
            static = {
                n: a.copy() if isinstance(a, np.ndarray) else a for n, a in case.static.items()
            }
            plain = Case(inputs, static, case.dy)  # it may write to them
            with np.errstate(all="ignore"):
                found = self._asked((self.against or self.subject).outputs, plain)
                self.shapes[key] = {name: y.shape for name, y in found.items()}
        return self.shapes[key]

    def _asked(self, function: Callable[[Case], T], case: Case) -> T:
        """What the reference says to a case; that it refuses one is no fault of the subject's."""
        try:
            return function(case)
        except Exception as error:
            name = (self.against or self.subject).name
            raise Refused(refusal(name, case, error)) from error

    def eps(self, case: Case) -> float:
        return EPS.get(self.sixteen) or super().eps(case)

    def smooth(self, case: Case) -> bool:
        return not self.sixteen  # whose steps are larger than those of a derivative


def _moderate(array: Array) -> bool:
    return bool((np.abs(array) <= sixteen.LARGEST).all())


def split(
    names: tuple[str, ...], arrays: Sequence[Array | None]
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Arrays that get a gradient, and those of integers or booleans, which get none."""
    named = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    inputs = {n: a for n, a in named.items() if a.dtype.kind == "f"}
    return inputs, {n: a for n, a in named.items() if n not in inputs}
