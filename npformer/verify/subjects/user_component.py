"""A function that the registry does not know, as a component: against a reference or itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from npformer.cards.case import Array, Case, Result, is_output
from npformer.verify.subjects.torch_subjects import TorchCallable
from npformer.verify.subjects.user_reference import UserReference
from npformer.verify.units import sixteen, systematic
from npformer.verify.units.error import error_units, worst
from npformer.verify.units.inside import ACCEPT as INSIDE
from npformer.verify.units.inside import TINY, computes_in
from npformer.verify.units.measured import ACCEPT, CAREFUL, RATIO, TRIALS, measured_scales
from npformer.verify.units.rounding import at_least_usual, errors_near, of_noise, own_scale, spread
from npformer.verify.units.sixteen import EPS

STEPPED = 6
"""Trials with each step of the function under test rounded anew."""


@dataclass(frozen=True)
class UserComponent(UserReference):
    """The unit in which the subject's errors count, and which of them pass."""

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
        scale = of_noise(scale, exact[name], case.dy.dtype)
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
        witness = self.twin if self.has_witness else None
        own = own_scale(self.subject.run, self._reference, case, name, exact[name], scale, witness)
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
