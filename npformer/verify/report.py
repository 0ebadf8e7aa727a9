"""``run``: check many components; report as a table for people and a dictionary for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from npformer.cards.case import Case
from npformer.errors import VerifyError
from npformer.verify.answer.message import message
from npformer.verify.answer.reproduce import reproduction
from npformer.verify.component import Component
from npformer.verify.components.registry import COMPONENTS, component
from npformer.verify.result import Checked
from npformer.verify.tally import ALONE, Tally, check_component

if TYPE_CHECKING:
    from rich.table import Table

    from npformer.verify.diagnosis import Diagnosis

DTYPES = ("float64", "float32")
SHARE = {"op": 1, "optimizer": 2, "module": 4}
"""A component of a kind gets the number of cases divided by this: a model's case is dearer."""


@dataclass(frozen=True)
class Report:
    """What ``run`` found, one result for each component and dtype."""

    results: tuple[Tally, ...]
    seed: int
    against: str = "PyTorch"
    """Whose errors are shown with ours."""
    checks: tuple[Checked, ...] = ()
    """Where the results come from a ``check``, it: with the failure's code and diagnosis."""

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    @property
    def cases(self) -> int:
        """Cases in all."""
        return sum(result.cases for result in self.results)

    @property
    def bound(self) -> str:
        """What counts as right, in a sentence."""
        said = self.checks[0].bound if self.checks else Component().said_of_bound
        return f"{said[:1].upper()}{said[1:]}."

    def verdict(self, result: Tally) -> str:
        """A word or two on one result.

        Without a reference, a forward is differentiated in float64. In float32 there is then no
        more to say than that the numbers are those of float64, right or wrong.
        """
        if not result.passed:
            return "wrong"
        if not result.cases:
            return "no verdict"
        alone = self.against == ALONE and result.dtype == "float32"
        return "as in float64" if alone else "right"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; errors are in rounding units."""
        diagnoses = [_diagnosis_dict(d) for check in self.checks for d in check.diagnoses]
        return {
            "passed": self.passed,
            "seed": self.seed,
            "cases": self.cases,
            "against": self.against,
            "bound": self.bound,
            "remarks": [remark for check in self.checks for remark in check.remarks],
            "results": [_result_dict(result, self.verdict(result)) for result in self.results],
            "diagnoses": diagnoses,
        }

    def table(self) -> Table:
        """The same as a rich table."""
        from rich import box
        from rich.table import Table

        table = Table(
            title=f"errors in rounding units. {self.bound}",
            title_style="dim",
            box=box.SIMPLE_HEAD,
            padding=0,
            show_edge=False,
            pad_edge=False,
        )
        table.add_column("component")
        table.add_column("dtype")
        other = "torch" if self.against == "PyTorch" else "reference"
        for title in ("cases", "forward", other, "gradient", other, "direc-\ntional"):
            table.add_column(title, justify="right")
        table.add_column("verdict")
        for r in self.results:
            table.add_row(
                r.component,
                r.dtype,
                str(r.cases),
                _number(r.forward_error),
                _number(r.pytorch_forward_error),
                _number(r.gradient_error) if r.kind != "optimizer" else "",
                _number(r.pytorch_gradient_error) if r.kind != "optimizer" else "",
                f"{r.directional_cases} ok" if r.passed and r.directional_cases else "",
                f"[green]{self.verdict(r)}[/]"
                if r.passed
                else f"[red]wrong[/] in {r.failed_cases}",
            )
        return table

    def messages(self) -> list[tuple[str, str]]:
        """For each failure a heading, and all that is to be said about it."""
        if self.checks:
            return [(check.name, message(check)) for check in self.checks if not check.passed]
        return [
            (f"{r.component}, {r.dtype}", f"{r.failure}\n\n{r.failure.reproduce}".rstrip())
            for r in self.results
            if r.failure is not None
        ]

    def failures(self) -> list[str]:
        """A line for each component that failed, then its smallest failing example."""
        lines = []
        for r in self.results:
            if r.failure is not None:
                lines.append(f"{r.component}, {r.dtype}: {r.failure}")
                if r.failure.case is not None:
                    lines += [f"    {name} = {a!r}" for name, a in _example(r.failure.case).items()]
        return lines


def of(result: Checked) -> Report:
    """The report of one ``check``."""
    return Report(result.tallies, result.seed, result.against, (result,))


def run(
    components: Sequence[str] | None = None,
    cases: int = 50,
    seed: int = 0,
    dtypes: Sequence[str] = DTYPES,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Check components against every oracle.

    Args:
        components: names from the registry; None for all.
        cases: generated cases for each op and dtype; fewer for the larger ones (``SHARE``).
        seed: of every case; the same seed gives the same cases.
        dtypes: ``"float64"``, ``"float32"`` or both.
        progress: called with each component's name before it is checked.

    Raises:
        VerifyError: no such component (with the nearest name) or dtype, or fewer than one case.
    """
    if cases < 1:
        raise VerifyError(f"cases is {cases}; it must be 1 or more")
    for dtype in dtypes:
        if dtype not in DTYPES:
            raise VerifyError(f"dtype {dtype!r} is not checked; choose {' or '.join(DTYPES)}")
    chosen = [component(name) for name in (COMPONENTS if components is None else components)]
    results = []
    for one in chosen:
        if progress is not None:
            progress(one.name)
        for dtype in dtypes:
            tally = check_component(one, max(1, cases // SHARE[one.kind]), seed, dtype)
            if tally.failure is not None:
                code = reproduction(one, tally.failure)
                tally.failure = dataclasses.replace(tally.failure, reproduce=code)
            results.append(tally)
    return Report(tuple(results), seed)


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.1e}"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _result_dict(r: Tally, verdict: str) -> dict[str, Any]:
    """JSON has no infinity: an error beyond every bound is null."""
    return {
        "component": r.component,
        "kind": r.kind,
        "dtype": r.dtype,
        "cases": r.cases,
        "refused": r.refused,
        "compared": r.compared,
        "entries": r.entries,
        "forward_error": _finite(r.forward_error),
        "pytorch_forward_error": _finite(r.pytorch_forward_error),
        "gradient_error": _finite(r.gradient_error),
        "pytorch_gradient_error": _finite(r.pytorch_gradient_error),
        "directional_cases": r.directional_cases,
        "verdict": verdict,
        "failed_cases": r.failed_cases,
        "failure": str(r.failure) if r.failure else None,
        "reproduce": r.failure.reproduce if r.failure else None,
        "example": _example(r.failure.case) if r.failure and r.failure.case else None,
    }


def _diagnosis_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "sentence": diagnosis.sentence,
        "result": diagnosis.result,
        "mutant": diagnosis.mutant,
        "chapter": diagnosis.chapter,
        "score": diagnosis.score,
    }


def _example(case: Case) -> dict[str, Any]:
    """A case as plain lists; an array too long to read gives its shape instead."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.tolist() if value.size <= 64 else f"array {value.shape}"
        return value if isinstance(value, (int, float, str, bool, type(None))) else repr(value)

    named = {**case.inputs, **case.static, "dy": case.dy}
    return {name: plain(value) for name, value in named.items()}
