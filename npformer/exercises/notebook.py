"""An exercise as a notebook, and what its cells call."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from npformer.exercises.catalogue import catalogue, find
from npformer.exercises.exercise import HINTS, Exercise, ExerciseError
from npformer.exercises.outcome import Outcome
from npformer.exercises.progress import FILE, read_progress

Format = Literal["ipynb", "myst"]
Cell = tuple[Literal["markdown", "code"], str]

FRONT_MATTER = """\
---
file_format: mystnb
kernelspec:
  name: python3
  display_name: Python 3
  language: python
---
"""


def notebook(exercise: Exercise, form: Format = "ipynb", own: Path | None = None) -> str:
    """The text of a notebook: the task, the forward, the blank, a check and the hints.

    ``own`` is the catalogue that the exercise is from, if not the package's.
    """
    cells = _cells(exercise, own)
    return _ipynb(cells) if form == "ipynb" else _myst(cells)


def check(
    name: str, *functions: Callable[..., Any], catalogue_folder: str | Path | None = None
) -> Outcome:
    """Check functions that a notebook defines, in this process; the answer prints itself.

    Args:
        name: of the exercise.
        functions: the learner's, and the forward that the exercise gave.
        catalogue_folder: a teacher's own catalogue.

    Raises:
        ExerciseError: there is no such exercise.
    """
    from npformer.exercises.grade import grade

    exercise = _find(name, catalogue_folder)
    outcome = grade(exercise, SimpleNamespace(**{f.__name__: f for f in functions}))
    if Path(FILE).exists():
        progress = read_progress(Path("."))
        progress.check(exercise.name, outcome)
        progress.save()
    return outcome


def hint(name: str, number: int = 1, *, catalogue_folder: str | Path | None = None) -> None:
    """Print one of the three hints. Raises ``ExerciseError`` for another number."""
    if not 1 <= number <= HINTS:
        raise ExerciseError(f"hint {number} does not exist; there are hints 1 to {HINTS}")
    exercise = _find(name, catalogue_folder)
    if Path(FILE).exists():
        progress = read_progress(Path("."))
        entry = progress.of(exercise.name)
        entry.hints = max(entry.hints, number)
        progress.save()
    print(exercise.hints[number - 1])


def _find(name: str, folder: str | Path | None) -> Exercise:
    return find(name, catalogue(None if folder is None else Path(folder)))


def _cells(exercise: Exercise, own: Path | None) -> list[Cell]:
    given, blanks = _split(exercise)
    where = "" if own is None else f", catalogue_folder={str(own.resolve())!r}"
    names = ", ".join(dict.fromkeys((*_functions(given), *exercise.functions)))
    call = f'check("{exercise.short}", {names}{where})'
    cells: list[Cell] = [
        ("markdown", exercise.task),
        ("code", "\n\n\n".join(given)),
        ("markdown", "## Your turn"),
        *(("code", blank) for blank in blanks),
        ("markdown", "## Check"),
        ("code", f"from npformer.exercises.notebook import check, hint\n\n{call}"),
        ("markdown", "## Hints\n\nThere are three: put a 2 or a 3 in place of the 1."),
        ("code", f'# hint("{exercise.short}", 1{where})'),
    ]
    return cells


def _split(exercise: Exercise) -> tuple[list[str], list[str]]:
    """The start without its docstring: what is given, and the functions to be written."""
    text = exercise.start
    lines, tree = text.splitlines(), ast.parse(text)
    given, blanks = [], []
    imports = []
    for node in tree.body[1:] if ast.get_docstring(tree) is not None else tree.body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        piece = "\n".join(lines[first - 1 : node.end_lineno])
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(piece)
        elif getattr(node, "name", None) in exercise.functions:
            blanks.append(piece)
        else:
            given.append(piece)
    return ["\n".join(imports), *given] if imports else given, blanks


def _functions(pieces: list[str]) -> list[str]:
    tree = ast.parse("\n".join(pieces))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def _ipynb(cells: list[Cell]) -> str:
    made = []
    for number, (kind, text) in enumerate(cells):
        cell: dict[str, Any] = {
            "cell_type": kind,
            "id": f"cell-{number}",
            "metadata": {},
            "source": text.splitlines(keepends=True),
        }
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    whole = {
        "cells": made,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _myst(cells: list[Cell]) -> str:
    fence = "```"
    parts = [
        text if kind == "markdown" else f"{fence}{{code-cell}} ipython3\n{text}\n{fence}"
        for kind, text in cells
    ]
    return FRONT_MATTER + "\n" + "\n\n".join(parts) + "\n"
