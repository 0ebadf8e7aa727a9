"""How a package answers: rows of short texts, printed as JSON. The standard library alone."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

NONE = "–"
"""A cell that the package does not have."""


class Answers:
    """The rows that one run gives, by question."""

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[str, list[str]]]] = {}

    def add(self, question: str, who: str, ask: Callable[[], Sequence[Any]]) -> None:
        """One row; ``ask`` returns its cells, or raises what the row then says."""
        try:
            cells = [text(cell) for cell in ask()]
        except Exception as error:  # whatever a package raises is its answer
            cells = [raised(error)]
        self.rows.setdefault(question, []).append((who, cells))

    def print(self, *packages: str) -> None:
        """All rows, and the versions of the packages that gave them."""
        versions = {name: version(name) for name in packages}
        about = {"python": platform.python_version(), "versions": versions, "rows": self.rows}
        print(json.dumps(about, ensure_ascii=False))


def tried(ask: Callable[[], Any]) -> Any:
    """A cell, or what was raised instead of it."""
    try:
        return ask()
    except Exception as error:
        return raised(error)


def pairs(ask: Callable[[Any], Sequence[Any]], inputs: Sequence[Any]) -> list[Any]:
    """Value and gradient for each input, or what was raised in place of both."""
    cells: list[Any] = []
    for given in inputs:
        try:
            cells += [text(cell) for cell in ask(given)]
        except Exception as error:
            cells += [raised(error)] * 2
    return cells


def raised(error: Exception) -> str:
    """The exception's name, as a cell says it."""
    return f"raises {type(error).__name__}"


def text(cell: Any) -> str:
    """A number or nested numbers to four digits, below 1e-6 as 0; a text as it is."""
    if cell is None:
        return NONE
    if isinstance(cell, str):
        return cell
    flat = list(_flat(cell.tolist() if hasattr(cell, "tolist") else cell))
    return ", ".join(_digits(number) for number in flat)


def _flat(cell: Any) -> Any:
    if isinstance(cell, list | tuple):
        for part in cell:
            yield from _flat(part)
    elif hasattr(cell, "tolist"):
        yield from _flat(cell.tolist())
    else:
        yield float(cell)


def _digits(number: float) -> str:
    if number != number:
        return "NaN"
    return "0" if abs(number) < 1e-6 else f"{number:.4g}"


def own_masks(weights: list[list[list[list[float]]]]) -> str:
    """Along which axes of weights (B, N, T, S) the pattern of zeros changes."""
    pattern = [[[[w != 0 for w in row] for row in head] for head in each] for each in weights]
    own = []
    if pattern[0] != pattern[1]:
        own.append("sentence")
    if pattern[0][0] != pattern[0][1]:
        own.append("head")
    if pattern[0][0][0] != pattern[0][0][1]:
        own.append("query")
    return ", ".join(own) or "none"
