"""What the suspect did beside what the reference does with the same inputs, in rounding units.

An op's result is measured on the op's own scale (``scales``), computed from the inputs that the
suspect's call saw. What stands between the calls of a method, sums, factors, views, has no such
formula; its scale is the sum of the absolute values of the arrays of that shape that the method
has seen, and of the largest entry of the row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.cards.discovery import CARDS
from npformer.cards.op_card import OpCard
from npformer.cards.scales import float_info
from npformer.verify.lockstep.compare import between, compare, verdict
from npformer.verify.lockstep.lines import shown
from npformer.verify.lockstep.mismatch import Mismatch, within
from npformer.verify.lockstep.visits import (
    Accumulation,
    Array,
    Site,
    Visit,
    real_names,
)


@dataclass
class Verdicts:
    """Gathers findings, and each visit's largest error in rounding units."""

    dtype: np.dtype
    findings: list[Mismatch] = field(default_factory=list)
    forward: dict[int, float] = field(default_factory=dict)
    """By id of the visit, of its output given its inputs."""
    backward: dict[int, float] = field(default_factory=dict)
    """By id of the visit, of its gradients given the one that arrived."""
    unseen: set[str] = field(default_factory=set)
    """Parameters whose gradient came in a way that was not watched: only their sum is judged."""
    frozen: set[str] = field(default_factory=set)
    """Parameters that are not trained; what is added to their gradients is not judged."""
    expected: dict[str, Array] = field(default_factory=dict)
    """By unseen parameter, the sum of what the reference adds."""
    absent: dict[tuple[int, str], tuple[str, str]] = field(default_factory=dict)
    """By id of the visit and phase, the first call that the reference makes there alone."""
    pytorch: bool = False
    """Whether the suspect is a twin."""

    def passed(
        self,
        owner: Visit | None,
        child: Visit,
        name: str,
        expected: Any,
        found: Any,
        terms: list[Array],
        phase: str,
        tick: int,
    ) -> None:
        """What ``owner`` gave to a call: an argument, or the gradient that arrives."""
        site = owner.site if owner is not None else Site("", "forward", "")
        receiver = within(child.site, site)
        what = f"what {site.kind or 'the caller'} passes to {receiver}"
        what += f" as {name}" if phase == "forward" else " on the way back"
        if owner is not None and 0 < _spoilt(owner, phase) < tick:
            return
        problem = compare(expected, found, lambda e: between(e, terms), self.dtype)
        if isinstance(problem, float):
            self._note(owner, phase, problem)
        if message := verdict(problem):
            where = child.where if phase == "forward" or child.back is None else child.back.where
            self._find(
                owner, site, phase, name, receiver, f"{what} {message}", problem, tick, where
            )

    def output(self, visit: Visit, expected: Any, arguments: dict[str, Any], terms: Any) -> None:
        """A call's output, given its arguments."""

        def scale(e: Array) -> Array:
            own = self._scales(visit.site, arguments, np.zeros_like(e)).get("y")
            return between(e, terms) if own is None or np.shape(own) != e.shape else own

        problem = compare(expected, visit.output, scale, self.dtype, own=True)
        self._result(visit, "forward", "y", problem, visit.end)
        for name in visit.overwrote:
            message = f"{visit.label} writes to its argument {name}"
            self._find(visit, visit.site, "forward", name, "", message, np.inf, visit.end)

    def gradients(
        self, visit: Visit, expected: tuple[Any, ...], arguments: dict[str, Any], terms: Any
    ) -> None:
        """What a backward returned, given what arrived."""
        back = visit.back
        assert back is not None
        constants = self._constants(visit.site)
        real = real_names(arguments)
        expected = tuple(
            g for i, g in enumerate(expected) if i >= len(real) or real[i] not in constants
        )
        names = [name for name in real if name not in constants]
        # What a sub-layer's backward returns besides is handed on by NumPy, by autograd it is not.
        wanted, given = (
            [g for g in gradients[: len(names)] if g is not None]
            for gradients in (expected, back.gradients)
        )
        names += [name for name, value in arguments.items() if callable(value)]
        if len(wanted) != len(given):
            message = f"{visit.label} sends back {len(given)} gradients, it must be {len(wanted)}"
            self._find(visit, visit.site, "backward", "gradients", "", message, np.inf, back.end)
            return
        scales: list[dict[str, Array]] = []  # computed once, and only where two numbers differ
        for name, e, found in zip(names, expected, back.gradients, strict=False):
            if e is None or found is None:
                continue

            def scale(e: Array, name: str = name) -> Array:
                if not scales:
                    scales.append(self._scales(visit.site, arguments, back.dy))
                own = scales[0].get(f"d{name}")
                return between(e, terms) if own is None or np.shape(own) != e.shape else own

            problem = compare(e, found, scale, self.dtype, own=True)
            self._result(visit, "backward", f"d{name}", problem, back.end)
        if back.overwrote:
            message = f"{visit.label} writes to the gradient that arrived"
            self._find(visit, visit.site, "backward", "dy", "", message, np.inf, back.end)

    def share(self, visit: Visit, path: str, expected: Any, found: Any, terms: Any) -> None:
        """What a call added to a parameter's gradient."""
        back = visit.back
        assert back is not None
        if expected is not None and path in self.unseen:
            self.expected[path] = self.expected.get(path, 0.0) + np.asarray(expected)
        if back.spoilt or path in self.unseen or path in self.frozen:
            return
        name = path.removeprefix(f"{visit.site.path}.") if visit.site.path else path
        if expected is None or found is None:
            zero = np.zeros(1) if (one := found if expected is None else expected) is None else one
            if not np.any(zero):
                return
            verb = "adds nothing" if found is None else "adds something"
            message = f"{visit.label} {verb} to the gradient of {name}"
            self._find(visit, visit.site, "backward", f"grad {name}", "", message, np.inf, back.end)
            return
        problem = compare(expected, found, lambda e: between(e, terms), self.dtype)
        self._result(visit, "backward", f"grad {name}", problem, back.end)

    def missing(self, owner: Visit | None, child: Site, number: int, phase: str) -> None:
        """A call that the reference makes and the suspect does not.

        That alone is no mistake: the suspect may do the same in another way. But where its owner
        is found to be wrong, it says how.
        """
        if owner is not None:
            verb = "never calls" if phase == "forward" else "never runs the backward of"
            count = f" (call {number})" if number else ""
            receiver = f"{within(child, owner.site)}{count}"
            self.absent.setdefault((id(owner), phase), (receiver, f"it {verb} {receiver}"))

    def with_reasons(self) -> list[Mismatch]:
        """The findings in the order of the run, each with the call that is missing there."""
        found = []
        for finding in sorted(self.findings, key=lambda finding: finding.tick):
            receiver, why = self.absent.get((id(finding.visit), finding.phase), ("", ""))
            if why:
                message = f"{finding.message}; {why}"
                finding = dataclasses.replace(finding, message=message, absent=receiver)
            found.append(finding)
        return found

    def accumulation(self, one: Accumulation) -> None:
        """``grad += gradient``."""
        terms = [np.abs(one.before), np.abs(one.gradient)]
        wide = one.before.astype(np.float64) + one.gradient
        problem = compare(wide, one.after, lambda e: between(e, terms), self.dtype)
        if message := verdict(problem):
            path, _, name = one.parameter.rpartition(".")
            site = Site(path, "accumulate", "Parameter")
            text = f"the gradient of {one.parameter} {message} after one more was added"
            self._find(None, site, "backward", f"grad {name}", "", text, problem, one.tick)

    def total(self, path: str, expected: Array, found: Array, tick: int) -> None:
        """A parameter's gradient in the end, against the sum of its shares."""
        problem = compare(expected, found, lambda e: between(e, [expected]), self.dtype)
        if message := verdict(problem):
            owner, _, name = path.rpartition(".")
            site = Site(owner, "accumulate", "Parameter")
            text = f"the gradient of {path} {message} in the end"
            self._find(None, site, "backward", f"grad {name}", "", text, problem, tick)

    def _result(self, visit: Visit, phase: str, name: str, problem: Any, tick: int) -> None:
        if _spoilt(visit, phase):
            return
        if isinstance(problem, float):
            self._note(visit, phase, problem)
        if message := verdict(problem):
            text = f"{name} of {visit.label} {message}"
            self._find(visit, visit.site, phase, name, "", text, problem, tick)

    def _note(self, visit: Visit | None, phase: str, error: float) -> None:
        table = self.forward if phase == "forward" else self.backward
        key = id(visit)
        table[key] = max(table.get(key, 0.0), error)

    def _find(
        self,
        visit: Visit | None,
        site: Site,
        phase: str,
        result: str,
        receiver: str,
        message: str,
        problem: Any,
        tick: int,
        where: str = "",
    ) -> None:
        error = problem if isinstance(problem, float) else np.inf
        if visit is not None and not where:
            where = visit.source if phase == "forward" or not visit.back else visit.back.source
        self._note(visit, phase, error)
        place = (site.path, site.operation, phase, result, receiver)
        finding = Mismatch(*place, message, error, tick, shown(where), visit=visit)
        self.findings.append(finding)

    def _constants(self, site: Site) -> Sequence[str]:
        card = CARDS.get(site.kind)
        return card.constants if site.is_op and isinstance(card, OpCard) else ()

    def _scales(self, site: Site, arguments: dict[str, Any], dy: Any) -> dict[str, Array]:
        card = CARDS.get(site.kind)
        if not site.is_op or not isinstance(card, OpCard) or dy is None:
            return {}
        with np.errstate(all="ignore"):
            found = card.scales(**arguments, dy=dy, fp=float_info(self.dtype))
        if self.pytorch and card.library_scales is not None:
            found = card.library_scales(found, arguments, dy)
        return found


def _spoilt(visit: Visit, phase: str) -> int:
    """``Visit.spoilt`` or ``Back.spoilt``; who wrote to an array of its own is accused."""
    call = visit if phase == "forward" else visit.back
    return 0 if call is None else call.spoilt
