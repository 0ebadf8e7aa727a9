"""The result of a bisection, as an object, as text and as a table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from npformer.models.loss import LOSS
from npformer.verify.lockstep.compare import LIMIT
from npformer.verify.lockstep.growth import Growth, growth
from npformer.verify.lockstep.mismatch import Mismatch
from npformer.verify.lockstep.verdicts import Verdicts
from npformer.verify.lockstep.visits import Trace


@dataclass(frozen=True)
class Bisection:
    """What a bisection found; falsy if it found anything."""

    findings: tuple[Mismatch, ...]
    """Every difference that a call's own inputs do not explain, in the order of the run."""
    loss: float
    reference_loss: float
    dtype: str
    """Of ``ours``; rounding units are multiples of its rounding."""
    calls: int
    """How many calls of ours were judged."""
    inputs: tuple[str, ...]
    """What the model reads, in the order in which it embeds it."""
    _runs: tuple[Trace, Trace, Verdicts] = field(repr=False, compare=False)

    @cached_property
    def growth(self) -> tuple[Growth, ...]:
        """Every call, in the order of the forward, with the error of the run up to there."""
        return tuple(growth(*self._runs))

    @property
    def passed(self) -> bool:
        return not self.findings

    def __bool__(self) -> bool:
        return self.passed

    @property
    def activation(self) -> Mismatch | None:
        """The first activation that its inputs do not explain."""
        return next((f for f in self.findings if f.phase == "forward"), None)

    @property
    def gradient(self) -> Mismatch | None:
        """The first gradient that what arrived does not explain."""
        return next((f for f in self.findings if f.phase == "backward"), None)

    def __str__(self) -> str:
        if self.passed:
            return (
                f"None of {self.calls} calls differs beyond what its inputs explain, "
                f"forward or backward, in {self.dtype}."
            )
        lines = []
        for what, finding in (("activation", self.activation), ("gradient", self.gradient)):
            if finding is None:
                lines.append(f"Every {what} is what its inputs explain.")
                continue
            lines += [f"The first {what} that its inputs do not explain:", *_lines(finding)]
        more = len(self.findings) - sum(f is not None for f in (self.activation, self.gradient))
        if more:
            others = {f.path or "the model": None for f in self.findings}
            lines.append(f"{more} more in {', '.join(others)}.")
        return "\n".join(lines)

    def table(self, *, every_call: bool = False) -> Table:
        """The error's growth: a row a layer, and every call inside one that is accused."""
        table = Table(box=box.SIMPLE_HEAD, show_edge=False)
        table.add_column("")
        for what in ("activation", "gradient"):
            table.add_column(f"{what}\nits own", justify="right")
            table.add_column("\nso far", justify="right")
        accused = {(f.path, f.phase) for f in self.findings}
        for row in self._rows(every_call):
            table.add_row(
                self._name(row, every_call),
                _cell(row.forward_within, (row.path, "forward") in accused),
                f"{row.forward:.1e}",
                _cell(row.backward_within, (row.path, "backward") in accused),
                f"{row.backward:.1e}",
            )
        return table

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "passed": self.passed,
            "dtype": self.dtype,
            "loss": self.loss,
            "reference_loss": self.reference_loss,
            "findings": [
                {
                    name: value if value != np.inf else None
                    for name, value in vars(finding).items()
                    if name not in ("visit", "tick")
                }
                for finding in self.findings
            ],
            "growth": [
                {n: v if v != np.inf else None for n, v in row._asdict().items()}
                for row in self.growth
            ],
        }

    def _rows(self, every_call: bool) -> list[Growth]:
        if every_call:
            return list(self.growth)
        accused = {f.path for f in self.findings}
        layers = {_layer(path) for path in accused if _layer(path)}
        methods: defaultdict[str, set[str]] = defaultdict(set)
        for row in self.growth:
            methods[row.path].add(row.method)
        parents = {row.path.rpartition(".")[0] for row in self.growth}
        rows = []
        for row in self.growth:
            inside = _layer(row.path) in layers
            alone = row.path not in parents and methods[row.path] == {"forward", row.method}
            if alone and row.method != "forward":
                continue  # an op of a module that does nothing else; its row has the errors
            method_of_accused = row.path in accused and row.path and row.method == "forward"
            if inside or _is_stage(row) or method_of_accused:
                rows.append(row)
        return rows

    def _name(self, row: Growth, whole: bool) -> Text:
        names = {("", "_embed", i): f"{name} embedded" for i, name in enumerate(self.inputs)}
        names |= {("", "_project", 0): "logits", ("loss", LOSS.name, 0): "loss"}
        if known := names.get((row.path, row.method, row.number)):
            return Text(known)
        path, layer = row.path or "the model", _layer(row.path)
        if not whole and layer and path != layer:
            path = "  " + path[len(layer) + 1 :]
        method = "" if row.method == "forward" else f" {row.method.lstrip('_')}"
        return Text(path + method + (f" ({row.number})" if row.number and whole else ""))


def _lines(finding: Mismatch) -> list[str]:
    where = "" if finding.path == "loss" else f"{finding.path or 'the model'}, "
    method = finding.phase if finding.method == "forward" else finding.method
    lines = [f"  {where}{method}: {finding.operation}", f"  {finding.message}"]
    return [*lines, f"  {finding.where}"] if finding.where else lines


def _layer(path: str) -> str:
    """``encoder.layers.3`` of a path in it; empty for a path in no layer."""
    parts = path.split(".")
    at = next((i for i, part in enumerate(parts) if part.isdigit()), None)
    return "" if at is None else ".".join(parts[: at + 1])


def _is_stage(row: Growth) -> bool:
    """Whether a call is one of those that a reader knows the model by."""
    if row.path in ("", "loss"):
        return row.method in ("_embed", "_project", LOSS.name)
    parts = row.path.split(".")
    last_norm = len(parts) == 2 and parts[1] == "norm"
    return row.method == "forward" and (last_norm or row.path == _layer(row.path))


def _cell(value: float, accused: bool) -> Text:
    return Text(f"{value:.2g}", style="bold red" if accused and value > LIMIT else "")
