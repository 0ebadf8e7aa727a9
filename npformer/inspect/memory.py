"""What each backward keeps in memory, as a table: bytes by module, beside the twin's.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from npformer.inspect.recording import Recording
from npformer.inspect.table import Cells


class MemoryRow(NamedTuple):
    """All calls of one module, or of the same module in every layer."""

    path: str
    """With ``*`` for the layer's number."""
    kept: tuple[str, ...]
    """The arrays that this module is the first to keep, by their names in the caches."""
    bytes: int
    twin_bytes: int | None
    """None without a twin."""


@dataclass(frozen=True)
class MemoryTable:
    """Bytes that a forward leaves for its backward; ``print`` it, or end a notebook's cell on it.

    An array that several modules keep (the input of three projections) counts once, with the
    first; so a row of zero bytes keeps nothing of its own.
    """

    rows: tuple[MemoryRow, ...]

    @property
    def total(self) -> int:
        """Bytes of all rows."""
        return sum(row.bytes for row in self.rows)

    @property
    def twin_total(self) -> int | None:
        """Bytes that autograd saved in all; None without a twin."""
        twin = [row.twin_bytes for row in self.rows if row.twin_bytes is not None]
        return sum(twin) if twin else None

    def __str__(self) -> str:
        return self._cells().text()

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return self._cells().markdown()

    def _cells(self) -> Cells:
        headings = ["module", "keeps", "bytes"]
        rows = [[row.path, ", ".join(row.kept), f"{row.bytes:,}"] for row in self.rows]
        rows.append(["", "in all", f"{self.total:,}"])
        if self.twin_total is not None:
            headings.append("twin's bytes")
            twin = [*(row.twin_bytes for row in self.rows), self.twin_total]
            rows = [[*cells, f"{number:,}"] for cells, number in zip(rows, twin, strict=True)]
        return Cells(headings, rows, words=2)


def memory_table(recording: Recording, twin: Recording | None = None) -> MemoryTable:
    """What each module of ``recording`` keeps, in the order of the forward.

    ``twin`` is ``torch_ref.inspect.record`` of the same model and batch, for comparison. Layers
    of a stack are added up, and a module that keeps nothing on either side is left out.
    """
    rows = _by_module(recording)
    twins = _by_module(twin) if twin is not None else {}
    found = []
    for path in dict.fromkeys((*rows, *twins)):
        kept = rows.get(path, {})
        ours, theirs = sum(kept.values()), sum(twins.get(path, {}).values())
        if ours or theirs:
            found.append(MemoryRow(path, tuple(kept), ours, theirs if twin is not None else None))
    return MemoryTable(tuple(found))


def _by_module(recording: Recording) -> dict[str, dict[str, int]]:
    """Path without layer numbers -> bytes by the name of what is kept."""
    modules: dict[str, dict[str, int]] = {}
    for call in recording.calls:
        kept = modules.setdefault(re.sub(r"\.\d+\.", ".*.", call.path), {})
        for name, size in call.kept.items():
            kept[name] = kept.get(name, 0) + size
    return modules
