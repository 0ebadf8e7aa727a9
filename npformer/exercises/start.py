"""A learner's own file of an exercise."""

from __future__ import annotations

from pathlib import Path

from npformer.exercises.exercise import Exercise
from npformer.files.atomic import write_file


def file_of(exercise: Exercise, folder: Path) -> Path:
    """Where the learner writes."""
    return folder / f"{exercise.name}.py"


def write_new(path: Path, text: str) -> bool:
    """Write ``text`` unless something is there already; whether it was written."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, text.encode())
    return True
