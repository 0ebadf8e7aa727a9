"""One exercise: a folder with its description, task, start, solution and, at times, a grader."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npformer.errors import NpformerError, nearest

HINTS = 3
REQUIRED = {
    "title": str,
    "chapter": str,
    "functions": list,
    "grade": str,
    "minutes": int,
}
OPTIONAL = {"inputs": str, "static": dict, "largest": (int, float), "cases": int}
FILES = ("exercise.toml", "task.md", "start.py", "solution.py")
KINDS = ("component", "solution", "python")


class ExerciseError(NpformerError, ValueError):
    """An exercise that does not exist, or a folder that is no exercise."""


@dataclass(frozen=True)
class Exercise:
    """What a learner is asked, and how the answer is graded; see docs/exercises.md."""

    folder: Path
    title: str
    chapter: str
    """The walkthrough's name, "01_linear"."""
    functions: tuple[str, ...]
    """What the learner must define."""
    grade: str
    """``component:NAME:PART``, ``solution:NAME:PART`` or ``python``."""
    minutes: int
    task: str
    """Markdown, without the hints."""
    hints: tuple[str, ...]
    inputs: str = ""
    """Letter spec of the arguments, for ``solution``."""
    static: Mapping[str, Any] = field(default_factory=dict)
    """Values of other arguments; a list is a choice."""
    largest: float = 20.0
    """The largest magnitude of an input."""
    cases: int = 100
    """How many generated cases a check looks at."""

    @property
    def name(self) -> str:
        """``01_linear_backward``."""
        return self.folder.name

    @property
    def short(self) -> str:
        """``linear_backward``."""
        return re.sub(r"^\d+_", "", self.name)

    @property
    def number(self) -> str:
        """``01``; empty if the folder's name has none."""
        found = re.match(r"\d+", self.name)
        return found[0] if found else ""

    @property
    def start(self) -> str:
        """The text of the file that a learner starts from."""
        return (self.folder / "start.py").read_text(encoding="utf-8")

    @property
    def solution(self) -> str:
        """The text of the solution."""
        return (self.folder / "solution.py").read_text(encoding="utf-8")

    @property
    def walkthrough(self) -> str:
        """``walkthroughs/01_linear.md``; empty for an exercise without a chapter."""
        return f"walkthroughs/{self.chapter}.md" if self.chapter else ""


def read_exercise(folder: Path) -> Exercise:
    """The exercise in a folder; raises ``ExerciseError`` for a file that is missing or wrong."""
    for name in FILES:
        if not (folder / name).is_file():
            raise ExerciseError(f"{folder} has no {name}; an exercise needs {', '.join(FILES)}")
    about = _read_toml(folder / "exercise.toml")
    if (kind := about["grade"].split(":")[0]) not in KINDS:
        raise ExerciseError(
            f"{folder / 'exercise.toml'}: grade is {about['grade']!r}; it must be "
            "component:NAME:PART, solution:NAME:PART or python" + nearest(kind, KINDS)
        )
    if kind == "python" and not (folder / "grade.py").is_file():
        raise ExerciseError(f"{folder} has no grade.py, which grade = 'python' asks for")
    task, hints = _read_task(folder / "task.md")
    about["functions"] = tuple(about["functions"])
    return Exercise(folder=folder, task=task, hints=hints, **about)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        about = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ExerciseError(f"{path} is not a TOML file: {error}") from error
    known: dict[str, Any] = {**REQUIRED, **OPTIONAL}
    for key, value in about.items():
        if key not in known:
            raise ExerciseError(f"{path}: there is no key {key!r}" + nearest(key, known))
        if not isinstance(value, known[key]):
            raise ExerciseError(f"{path}: {key} is {value!r}, which is of the wrong type")
    for key in REQUIRED:
        if key not in about:
            raise ExerciseError(f"{path} lacks {key}")
    about["static"] = {n: _none(v) for n, v in about.get("static", {}).items()}
    if not about["functions"]:
        raise ExerciseError(f"{path}: functions is empty; name what the learner must define")
    return about


def _none(value: Any) -> Any:
    """TOML has no null: the string "None" stands for it."""
    if isinstance(value, list):
        return [_none(each) for each in value]
    return None if value == "None" else value


def _read_task(path: Path) -> tuple[str, tuple[str, ...]]:
    text = path.read_text(encoding="utf-8")
    task, *parts = re.split(r"^## Hint (\d+)\n", text, flags=re.MULTILINE)
    numbers, hints = parts[::2], tuple(part.strip() for part in parts[1::2])
    if numbers != [str(i + 1) for i in range(HINTS)] or not all(hints):
        raise ExerciseError(
            f"{path} must end in the sections '## Hint 1', '## Hint 2' and '## Hint 3', each with "
            "a text"
        )
    return task.strip(), hints
