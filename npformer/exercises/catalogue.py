"""The exercises: those of the package, and a teacher's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from npformer.errors import nearest
from npformer.exercises.exercise import Exercise, ExerciseError, read_exercise

BUILT_IN = Path(__file__).parent / "catalogue"


def catalogue(own: Path | None = None) -> list[Exercise]:
    """The built-in exercises or, if a folder is given, those in it; in the order of their names.

    Each sub-folder with an ``exercise.toml`` is one. Raises ``ExerciseError``.
    """
    folder = BUILT_IN if own is None else own
    if not folder.is_dir():
        raise ExerciseError(f"{folder} is no folder of exercises; it does not exist")
    found = [read_exercise(path.parent) for path in sorted(folder.glob("*/exercise.toml"))]
    if not found:
        raise ExerciseError(
            f"{folder} holds no exercise; each is a folder with an exercise.toml in it"
        )
    return found


def find(name: str, exercises: Sequence[Exercise]) -> Exercise:
    """By ``01_linear_backward``, ``linear_backward``, ``linear`` or ``01``, or a file named so.

    Raises ``ExerciseError`` with the nearest name.
    """
    wanted = Path(name).stem if name.endswith((".py", ".ipynb", ".md")) else name
    for exercise in exercises:
        if wanted in (exercise.name, exercise.short):
            return exercise
    if wanted.isdigit():
        numbered = [e for e in exercises if e.number and int(e.number) == int(wanted)]
        if len(numbered) == 1:
            return numbered[0]
    begun = [e for e in exercises if wanted and e.short.startswith(wanted)]
    if len(begun) == 1:
        return begun[0]
    close = nearest(re.sub(r"^\d+_", "", wanted), _words(exercises))
    raise ExerciseError(
        f"there is no exercise {wanted!r}" + (close or "; npformer exercise list shows them all")
    )


def _words(exercises: Sequence[Exercise]) -> list[str]:
    """What may have been meant: names, and how they begin where that is enough."""
    short = [e.short for e in exercises]
    first = [name.partition("_")[0] for name in short]
    return [*short, *(word for word in first if first.count(word) == 1)]
