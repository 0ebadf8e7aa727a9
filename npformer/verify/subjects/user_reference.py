"""What is right for a function of the caller's: its reference, or its own forward's derivative."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, is_output, joined
from npformer.verify.reference.jacobian import MOST, gradients, jacobian
from npformer.verify.reference.wide import is_wide, wide_for
from npformer.verify.subjects.subjects import Subject
from npformer.verify.subjects.torch_subjects import TorchCallable
from npformer.verify.subjects.user_cases import UserCases
from npformer.verify.units.sixteen import in_bfloat16


@dataclass(frozen=True)
class UserReference(UserCases):
    """The results of the subject and of what it is compared with."""

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

    def _reference(self, case: Case) -> Result:
        exact = self.reference(case)
        assert exact is not None
        return exact

    def _referred(self, case: Case) -> Result:
        if self.sixteen == "bfloat16":
            case = in_bfloat16(case)
        if self.entrywise:
            return self.precise(case)
        exact_type = wide_for(case, (self.against or self.subject).widest)
        if case.dy.dtype == np.float64 and is_wide(exact_type):
            return self._exact(case.cast(np.longdouble))
        if self.against is None and case.dy.dtype == np.float64:
            return self._exact(case)  # nothing to compare with but the forward's derivative
        return self._exact(case.cast(np.float64))

    def precise(self, case: Case) -> Result:
        if self.sixteen == "bfloat16":
            case = in_bfloat16(case)
        exact = self._exact(case.cast(np.float64))
        silent = any(np.isnan(a).any() for name, a in exact.items() if not is_output(name))
        if not self.has_witness:
            exact |= self._differences(case.cast(np.float64))
        elif silent:
            for name, found in self._differences(case.cast(np.float64)).items():
                exact[name] = np.where(np.isnan(exact[name]), found, exact[name])
        return exact

    def _exact(self, case: Case) -> Result:
        with np.errstate(all="ignore"):
            if self.against is None:
                return self.subject.run(case)
            if self.against.has_gradient:
                return self._named(self._asked(self.against.run, case))
            own = self.subject.run(case.cast(self._own_dtype(case)))
            return {**own, **self._asked(self.against.outputs, case)}

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
            found = self._remembered("gradients", case, lambda: gradients(forward, arrays, dy), dy)
        else:
            # Remembered for any dy: a diagnosis asks for many.
            jacobians = self._remembered("jacobian", case, lambda: jacobian(forward, arrays))
            found = [
                (j @ dy.ravel()).reshape(a.shape) for j, a in zip(jacobians, arrays, strict=True)
            ]
        result = self.subject.run(case)
        keys = [k for k in result if not is_output(k)]
        return dict(zip(keys, found, strict=True))

    def _remembered(
        self, what: str, case: Case, compute: Callable[[], list[Array]], *more: Array
    ) -> list[Array]:
        """``compute()``, or what it was if the last case was this one, with ``more`` the same."""
        arrays = (*case.inputs.values(), *case.static.values(), *more)
        key = [a.tobytes() if isinstance(a, np.ndarray) else a for a in arrays]
        known, found = self.last.get(what, (None, []))
        if known != key:
            found = compute()
            self.last[what] = key, found
        return found
