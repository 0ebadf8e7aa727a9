"""How large activations and gradients are, from the first layer to the last.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from npformer.inspect.recording import Array, RecordedCall, Recording
from npformer.inspect.table import Cells

_LAYER = re.compile(r"\.layers\.(\d+)")


class Statistic(NamedTuple):
    """One call in five numbers; a root mean square is over all entries."""

    path: str
    call: int
    kind: str
    depth: int
    """The layer in its stack, from 1; 0 before the layers, one more than the last behind them."""
    output_rms: float
    output_max: float
    """The largest absolute value."""
    doutput_rms: float
    doutput_max: float
    gradient_rms: float | None
    """Of the module's own parameters, all its calls together; None where it owns none."""


class Statistics(list[Statistic]):
    """A row for each call, in the order of the forward."""

    def __str__(self) -> str:
        return self._cells().text()

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return self._cells().markdown()

    def _cells(self) -> Cells:
        headings = ["call", "depth", "y rms", "y max", "dy rms", "dy max", "parameters' rms"]
        rows = []
        for row in self:
            name = (row.path or "model") + (f" ({row.call})" if row.call else "")
            numbers = [f"{number:.2e}" for number in row[4:8]]
            gradient = "" if row.gradient_rms is None else f"{row.gradient_rms:.2e}"
            rows.append([name, str(row.depth), *numbers, gradient])
        return Cells(headings, rows, words=1)


def statistics(recording: Recording) -> Statistics:
    """Size of every call's output, of its gradient, and of its parameters' gradients."""
    found = Statistics()
    layer = 0
    for number, call in enumerate(recording.calls):
        inside = _LAYER.search(call.path)
        if inside:
            layer = int(inside[1]) + 1
        # Outside the layers, a call stands behind them if no layer of its owner's is yet to come.
        around = call.path.rpartition(".")[0]
        later = recording.calls[number:]
        before = any(_LAYER.search(c.path) and c.path.startswith(around) for c in later)
        depth = layer if inside else 0 if before else layer + 1
        found.append(
            Statistic(
                call.path,
                call.call,
                call.kind,
                depth,
                rms(call.output),
                largest(call.output),
                rms(call.doutput),
                largest(call.doutput),
                _gradient_rms(recording, call),
            )
        )
    return found


def rms(array: Array) -> float:
    """Root mean square of all entries; 0 of none."""
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if array.size else 0.0


def largest(array: Array) -> float:
    """The largest absolute value; 0 of none."""
    return float(np.abs(array).max(initial=0.0))


def _gradient_rms(recording: Recording, call: RecordedCall) -> float | None:
    own = [
        gradient.ravel()
        for path, gradient in recording.gradients.items()
        if path.rpartition(".")[0] == call.path
    ]
    return rms(np.concatenate(own)) if own else None
