"""A learner's own file of an exercise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from npformer.exercises.catalogue import find
from npformer.exercises.exercise import Exercise, ExerciseError
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


def named_or_newest(
    name: str | None, exercises: Sequence[Exercise], folder: Path
) -> tuple[Exercise, Path]:
    """The exercise of that name, number or file, or whose file was changed last; and the file.

    Raises ``ExerciseError`` for a name that none has, a notebook, and a folder without any file.
    """
    if name is not None:
        given = Path(name)
        if given.suffix == ".ipynb":
            raise ExerciseError(f"{given} is a notebook; run its own cell that calls check")
        exercise = find(name, exercises)
        return exercise, given if given.suffix == ".py" else file_of(exercise, folder)
    own = [(e, path) for e in exercises if (path := file_of(e, folder)).is_file()]
    if not own:
        raise ExerciseError(f"{folder} holds no exercise yet; begin with npformer exercise start")
    return max(own, key=lambda pair: pair[1].stat().st_mtime)
