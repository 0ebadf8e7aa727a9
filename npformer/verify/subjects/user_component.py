"""A function that the registry does not know, as a component: against a reference or itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from npformer.cards.case import Array, Case, Result, is_output, joined
from npformer.cards.sources import Source, at_edges, draw_rng, rarely
from npformer.cards.strategies import draw_array
from npformer.verify.component import Component, Refused
from npformer.verify.inputs import InputSource
from npformer.verify.reference.jacobian import MOST, gradients, jacobian
from npformer.verify.subjects.kinds import refusal
from npformer.verify.subjects.subjects import Subject
from npformer.verify.subjects.torch_subjects import TorchCallable
from npformer.verify.units import sixteen, systematic
from npformer.verify.units.error import error_units, worst
from npformer.verify.units.inside import ACCEPT as INSIDE
from npformer.verify.units.inside import TINY, computes_in
from npformer.verify.units.measured import ACCEPT, CAREFUL, RATIO, TRIALS, measured_scales
from npformer.verify.units.rounding import at_least_usual, errors_near, own_scale, spread
from npformer.verify.units.sixteen import EPS, in_bfloat16

T = TypeVar("T")
REDRAWN = 20
"""Draws, at most, until no number is too large for sixteen bits."""
STEPPED = 6
"""Trials with each step of the function under test rounded anew."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class UserComponent(Component):
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
            plain = Case({n: np.array(a) for n, a in case.inputs.items()}, case.static, case.dy)
            with np.errstate(all="ignore"):
                found = self._asked((self.against or self.subject).outputs, plain)
                self.shapes[key] = {name: y.shape for name, y in found.items()}
        return self.shapes[key]

    def eps(self, case: Case) -> float:
        return EPS.get(self.sixteen) or super().eps(case)

    def smooth(self, case: Case) -> bool:
        return not self.sixteen  # whose steps are larger than those of a derivative

    def forward(self, case: Case) -> Array:
        return joined(self._trusted.outputs(case))

    def run(self, case: Case) -> Result:
        return self.subject.run(case)

    def extended(self, case: Case) -> Result:
        return self._exact(case)

    def twin(self, case: Case) -> Result:
        against = self.against
        if against is None:
            return {}
        run = self._in_sixteen if self.sixteen else lambda c: self._run(against, c)
        return self._named(self._asked(run, case))

    def _in_sixteen(self, case: Case) -> Result:
        """The reference in the same sixteen bits; in float32, where it takes none."""
        against = self.against
        assert against is not None
        wide = case.cast(np.float32)
        if self.sixteen == "bfloat16":
            if not isinstance(against, TorchCallable):
                return against.run(wide)
            against = dataclasses.replace(against, bfloat16=True)
        try:
            return against.run(case)
        except Exception:
            return self.against.run(wide)  # type: ignore[union-attr]

    def _named(self, result: Result) -> Result:
        """A reference's gradients under the names that the subject's have."""
        named = {}
        for key, value in result.items():
            path = key.removeprefix("grad ") if key.startswith("grad ") else key[1:]
            named[f"grad {path}" if path in self.initial else key.replace("grad ", "d")] = value
        return named

    def reference(self, case: Case) -> Result | None:
        """Remembered for the last case: its verdict and its scales both ask."""
        if self.last.get("known") is not case or self.last["known_as"] != self.entrywise:
            self.last.update(known=None, exact=self._referred(case))
            self.last.update(known=case, known_as=self.entrywise)
        found: Result = self.last["exact"]
        return found

    def _referred(self, case: Case) -> Result:
        if self.sixteen == "bfloat16":
            case = in_bfloat16(case)
        if self.entrywise:
            return self.precise(case)
        if case.dy.dtype == np.float64 and np.finfo(self._exact_type).eps < np.finfo(float).eps:
            return self._exact(case.cast(np.longdouble))
        if self.against is None and case.dy.dtype == np.float64:
            return self._exact(case)  # nothing to compare with but the forward's derivative
        return self._exact(case.cast(np.float64))

    @property
    def _exact_type(self) -> Any:
        return (self.against or self.subject).widest

    def precise(self, case: Case) -> Result:
        if self.sixteen == "bfloat16":
            case = in_bfloat16(case)
        exact = self._exact(case.cast(np.float64))
        silent = any(np.isnan(a).any() for name, a in exact.items() if not is_output(name))
        if silent or not self.has_witness:
            exact |= self._differences(case.cast(np.float64))
        return exact

    def _exact(self, case: Case) -> Result:
        with np.errstate(all="ignore"):
            if self.against is None:
                return self.subject.run(case)
            if self.against.has_gradient:
                return self._named(self._asked(self.against.run, case))
            own = self.subject.run(case.cast(self._own_dtype(case)))
            return {**own, **self._asked(self.against.outputs, case)}

    def _asked(self, function: Callable[[Case], T], case: Case) -> T:
        """What the reference says to a case; that it refuses one is no fault of the subject's."""
        try:
            return function(case)
        except Exception as error:
            name = (self.against or self.subject).name
            raise Refused(refusal(name, case, error)) from error

    def _own_dtype(self, case: Case) -> Any:
        """The case's, but none wider than the subject computes in."""
        wider = np.finfo(case.dy.dtype).eps < np.finfo(self.subject.widest).eps
        return self.subject.widest if wider else case.dy.dtype

    def _run(self, subject: Subject, case: Case) -> Result:
        return subject.run(case) if subject.has_gradient else subject.outputs(case)

    def _differences(self, case: Case) -> Result:
        """The gradients by central differences of the forward, one entry at a time."""
        names, dy = list(case.inputs), joined(case.upstream)

        def forward(*arrays: Array) -> Array:
            return self.forward(case.with_inputs(dict(zip(names, arrays, strict=True))))

        arrays = list(case.inputs.values())
        if dy.size * sum(a.size for a in arrays) > MOST:
            found = gradients(forward, arrays, dy)
        else:
            jacobians = self._jacobian(case, forward)
            found = [
                (j @ dy.ravel()).reshape(a.shape) for j, a in zip(jacobians, arrays, strict=True)
            ]
        result = self.subject.run(case)
        keys = [k for k in result if not is_output(k)]
        return dict(zip(keys, found, strict=True))

    def _jacobian(self, case: Case, forward: Callable[..., Array]) -> list[Array]:
        """Remembered for the last case: a diagnosis asks for many upstream gradients there."""
        inputs = [a.tobytes() for a in case.inputs.values()]
        static = [v.tobytes() if isinstance(v, np.ndarray) else v for v in case.static.values()]
        key = [*inputs, *static]
        if self.last.get("key") != key:
            self.last.update(key=key, jacobian=jacobian(forward, list(case.inputs.values())))
        found: list[Array] = self.last["jacobian"]
        return found

    def scales(self, case: Case) -> Result:
        exact = self.reference(case)
        assert exact is not None
        return self._scales(case, exact, TRIALS)

    def _scales(self, case: Case, exact: Result, trials: int) -> Result:
        eps = EPS.get(self._bits, 0.0)
        least = TINY.get(self.inside, 0.0)
        judge = self._in_sixteen if self.sixteen else self._judge.run
        run = lambda c: self._named(judge(c))  # noqa: E731
        judged = measured_scales(run, case, exact, trials, eps, least)
        if self.against is not None and not self.against.has_gradient:
            outputs = {name: a for name, a in exact.items() if is_output(name)}
            forward = lambda c: self._run(self._trusted, c)  # noqa: E731
            judged |= measured_scales(forward, case, outputs, trials, eps, least)
        units = eps / float(np.finfo(case.dy.dtype).eps) if eps else 1.0
        return {name: scale * units for name, scale in judged.items()}

    def computes_in(self, cases: Sequence[Case]) -> UserComponent:
        """The same, judged in units of a lower precision if its outputs on these cases show one."""
        if self.against is None:
            return self
        found = computes_in(self.subject.run, self._reference, cases)
        return dataclasses.replace(self, inside=found)

    def reconsidered(self, case: Case, name: str, ours: Result, exact: Result) -> Array | None:
        scale: Array = self._careful_scales(case, exact)[name]
        units = worst(error_units(ours[name], exact[name], scale, case.dy.dtype))
        if self.against is None or self.accepts(units, 0.0):
            return scale
        if self.sixteen:
            reach = sixteen.REACH * EPS[self.sixteen]
            near = errors_near(self.subject.run, self._reference, case, name, reach)
            eps = float(np.finfo(case.dy.dtype).eps)
            scale = sixteen.with_scatter(scale, near / eps)
            if not units <= sixteen.LOST:
                return scale
            steps = self._own_steps(case, ours)[name] * EPS[self.sixteen] / eps
            return np.maximum(scale, steps)
        if self.inside:
            off_by = 4 * EPS[self.inside]  # so that its rounding, too, is drawn anew
            least = TINY.get(self.inside, 0.0)
            seen = spread(self.subject.run, self._reference, case, name, off_by, least)
            return np.maximum(scale, seen)
        own = own_scale(self.subject.run, self._reference, case, name, exact[name], scale)
        scale = scale if own is None else own
        units = worst(error_units(ours[name], exact[name], scale, case.dy.dtype))
        if self.accepts(units, 0.0) or not np.isfinite(units):
            return scale
        return np.maximum(scale, self._own_steps(case, ours)[name])

    def systematic(
        self, case: Case, name: str, ours: Result, exact: Result, units: Array
    ) -> Array | None:
        if not self.sixteen or self.bound is not None or worst(units) <= systematic.MOST:
            return None
        if not isinstance(self.subject, TorchCallable):  # whose steps can be rounded anew
            return None
        eps = EPS[self.sixteen]
        unit = self._careful_scales(case, exact)[name] * float(np.finfo(case.dy.dtype).eps)

        def of(run: Callable[[Case], Result]) -> Array:
            near = errors_near(run, self._reference, case, name, sixteen.REACH * eps)
            return systematic.part(near, unit)

        part = np.where(units > systematic.MOST, of(self.subject.run), 0.0)
        if systematic.accepts(worst(part), 0.0):
            return None
        if systematic.accepts(worst(part), worst(of(self.twin))):
            return None
        part = part * unit / np.maximum(unit, eps * self._own_steps(case, ours)[name])
        return None if systematic.accepts(worst(part), 0.0) else part

    def _own_steps(self, case: Case, ours: Result) -> Result:
        """How far the subject's results move, in eps, if each of its steps does by one.

        Remembered for the last case. 0 where the steps are not PyTorch's.
        """
        if self.last.get("stepped") is not case:
            self.last.update(stepped=case, steps={n: np.zeros(a.shape) for n, a in ours.items()})
            if isinstance(self.subject, TorchCallable):
                from npformer.verify.units.stepwise import scatter_of_steps  # imports PyTorch

                eps, alike = EPS.get(self.sixteen, 0.0), bool(self.sixteen)
                steps = scatter_of_steps(self.subject.run, case, ours, eps, STEPPED, alike)
                if self.sixteen:  # so few digits that the move may round to nothing
                    steps = {n: at_least_usual(s) for n, s in steps.items()}
                self.last.update(steps=steps)
        found: Result = self.last["steps"]
        return found

    def _careful_scales(self, case: Case, exact: Result) -> Result:
        """Remembered for the last case: each of its results may ask."""
        judged_as = (self.inside, self.entrywise)
        if self.last.get("case") is not case or self.last["judged_as"] != judged_as:
            scales = self._scales(case, exact, CAREFUL)
            if self.has_witness and isinstance(self.against, TorchCallable) and not self._bits:
                from npformer.verify.units.stepwise import scatter_of_steps  # imports PyTorch

                run = lambda c: self._named(self._judge.run(c))  # noqa: E731
                steps = scatter_of_steps(run, case, exact)
                scales = {n: np.maximum(s, steps[n]) for n, s in scales.items()}
            self.last.update(case=case, judged_as=judged_as, careful=scales)
        found: Result = self.last["careful"]
        return found

    def _reference(self, case: Case) -> Result:
        exact = self.reference(case)
        assert exact is not None
        return exact

    @property
    def _bits(self) -> str:
        """The precision whose units count, if not the case's own."""
        return self.inside or self.sixteen

    @property
    def said_of_bound(self) -> str:
        limit = f"errors up to {ACCEPT:g} pass, or twice the reference's own"
        if self.sixteen:
            limit = (
                f"errors up to {sixteen.ACCEPT:g} pass, or twice the reference's own in "
                f"{self.sixteen} but at most {sixteen.CAP:g}, and in the mean of inputs near by up "
                f"to {systematic.MOST:g}"
            )
        if self.inside:
            limit = f"its forward computes in {self.inside}: errors up to {INSIDE:g} pass"
        if self.bound is not None:
            limit = f"errors up to {self.bound:g} pass, as asked"
        bits = f" of {self._bits}" if self._bits else ""
        return (
            f"{limit}; a unit is eps{bits} x (the result of "
            f"{self.witness} + its scatter under rounding)"
        )

    def accepts(self, ours: float, pytorch: float) -> bool:
        if self.bound is not None:
            return ours <= self.bound
        if self.inside:
            return ours <= INSIDE
        if self.sixteen:
            return sixteen.accepts(ours, pytorch)
        return ours <= ACCEPT or ours <= RATIO * pytorch


def _moderate(array: Array) -> bool:
    return bool((np.abs(array) <= sixteen.LARGEST).all())


def split(
    names: tuple[str, ...], arrays: Sequence[Array | None]
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Arrays that get a gradient, and those of integers or booleans, which get none."""
    named = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    inputs = {n: a for n, a in named.items() if a.dtype.kind == "f"}
    return inputs, {n: a for n, a in named.items() if n not in inputs}
