"""A directory of submissions, one sub-folder a learner, as one table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npformer.exercises.exercise import Exercise, ExerciseError
from npformer.exercises.outcome import Outcome
from npformer.exercises.progress import read_progress
from npformer.exercises.runner import Limits, check_files

WORKERS = 2
"""Learners graded at once; each has a process of its own."""


@dataclass(frozen=True)
class Grades:
    """Who has passed what."""

    exercises: tuple[Exercise, ...]
    """Those of which there is at least one submission."""
    outcomes: dict[str, dict[str, Outcome]]
    """Learner -> exercise name -> outcome; no entry where nothing was handed in."""
    hints: dict[str, dict[str, int]]
    """Learner -> exercise name -> hints taken, as far as a progress.json says."""

    def rows(self) -> Iterator[tuple[str, list[str], int]]:
        """Learner, a word for each exercise, and how many are passed."""
        for learner, own in self.outcomes.items():
            words = [own[e.name].kind if e.name in own else "" for e in self.exercises]
            yield learner, words, words.count("passed")

    def csv(self) -> str:
        """One line a learner, a column an exercise."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["learner", *(e.name for e in self.exercises), "passed"])
        for learner, words, passed in self.rows():
            writer.writerow([learner, *words, passed])
        return text.getvalue()

    def to_dict(self) -> dict[str, Any]:
        """For JSON: every outcome with its verdict and diagnosis."""
        return {
            "exercises": [e.name for e in self.exercises],
            "learners": {
                learner: {
                    name: {**o.to_dict(), "hints": self.hints[learner].get(name, 0)}
                    for name, o in own.items()
                }
                for learner, own in self.outcomes.items()
            },
        }


def grade_directory(
    directory: Path,
    exercises: list[Exercise],
    *,
    cases: int | None = None,
    seed: int = 0,
    limits: Limits | None = None,
    progress: Callable[[str], None] = lambda learner: None,
) -> Grades:
    """Check every file in every sub-folder that is named like an exercise.

    ``01_linear_backward.py`` and ``linear_backward.py`` both count. Raises ``ExerciseError`` if
    there is none.
    """
    if not directory.is_dir():
        raise ExerciseError(f"{directory} is no directory; give one with a sub-folder a learner")
    learners = sorted(p for p in directory.iterdir() if p.is_dir() and p.name[0] not in "._")
    jobs = {learner.name: _submissions(learner, exercises) for learner in learners}
    found = {exercise.name for own in jobs.values() for exercise, _ in own}
    if not found:
        raise ExerciseError(
            f"{directory} holds no submission; a learner's sub-folder has files such as "
            f"{exercises[0].name}.py"
        )

    def outcomes(learner: Path) -> dict[str, Outcome]:
        own = jobs[learner.name]
        answers = check_files(own, cases=cases, seed=seed, limits=limits)
        graded = {e.name: o for (e, _), o in zip(own, answers, strict=True)}
        progress(learner.name)
        return graded

    with ThreadPoolExecutor(WORKERS) as pool:
        graded = dict(zip(jobs, pool.map(outcomes, learners), strict=True))
    hints = {p.name: {n: e.hints for n, e in _entries(p).items()} for p in learners}
    return Grades(tuple(e for e in exercises if e.name in found), graded, hints)


def _submissions(folder: Path, exercises: list[Exercise]) -> list[tuple[Exercise, Path]]:
    found = []
    for exercise in exercises:
        for stem in (exercise.name, exercise.short):
            if (path := folder / f"{stem}.py").is_file():
                found.append((exercise, path))
                break
    return found


def _entries(folder: Path) -> dict[str, Any]:
    try:
        return read_progress(folder).entries
    except ExerciseError:  # it says nothing about whether the submissions are right
        return {}
