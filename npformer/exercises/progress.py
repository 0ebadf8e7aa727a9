"""``progress.json`` in a learner's folder: what was started, checked, hinted at and passed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from npformer.exercises.exercise import Exercise, ExerciseError
from npformer.exercises.outcome import Outcome
from npformer.files.atomic import write_file

FILE = "progress.json"
VERSION = 1


@dataclass
class Entry:
    """One exercise; times are ISO 8601, in UTC."""

    started: str = ""
    checks: int = 0
    hints: int = 0
    """How many of the three were shown."""
    solution: bool = False
    """Whether the solution was shown before the exercise was passed."""
    passed: str = ""
    last: str = ""
    """The last check's verdict."""

    @property
    def state(self) -> str:
        """``passed``, ``started`` or nothing."""
        return "passed" if self.passed else "started" if self.started or self.checks else ""


@dataclass
class Progress:
    """All of a folder, by the exercises' names."""

    folder: Path
    entries: dict[str, Entry] = field(default_factory=dict)

    def of(self, name: str) -> Entry:
        """The entry of an exercise; a new one if nothing has happened to it."""
        return self.entries.setdefault(name, Entry())

    def state(self, name: str) -> str:
        """``passed``, ``started`` or nothing."""
        return self.entries[name].state if name in self.entries else ""

    def next_of(self, exercises: Sequence[Exercise]) -> Exercise | None:
        """The first that is not passed; None if all are."""
        return next((e for e in exercises if self.state(e.name) != "passed"), None)

    def start(self, name: str) -> None:
        """Note the first start."""
        entry = self.of(name)
        entry.started = entry.started or _now()

    def check(self, name: str, outcome: Outcome) -> None:
        """Note a check; a pass stays a pass."""
        entry = self.of(name)
        entry.checks += 1
        entry.last = outcome.verdict
        if outcome.passed and not entry.passed:
            entry.passed = _now()

    def save(self) -> None:
        """Write the file, whole or not at all. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {
            "version": VERSION,
            "exercises": {n: dataclasses.asdict(e) for n, e in sorted(self.entries.items())},
        }
        write_file(self.folder / FILE, (json.dumps(content, indent=2) + "\n").encode())


def read_progress(folder: Path) -> Progress:
    """Empty if there is no file yet; raises ``ExerciseError`` if it cannot be read."""
    path = folder / FILE
    if not path.exists():
        return Progress(folder)
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ExerciseError(f"{path} has version {content['version']}; it must be {VERSION}")
        return Progress(folder, {n: Entry(**e) for n, e in content["exercises"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ExerciseError):
            raise
        raise ExerciseError(
            f"{path} is damaged ({error}); move it away, and a new one is begun"
        ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
