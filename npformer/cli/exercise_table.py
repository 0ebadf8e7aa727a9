"""Exercises, a learner's progress and a class's grades as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.table import Table

from npformer.exercises.classroom import Grades
from npformer.exercises.exercise import HINTS, Exercise
from npformer.exercises.progress import Progress


def listing(exercises: Sequence[Exercise], progress: Progress) -> Iterator[str]:
    """A line each."""
    longest = max(len(e.short) for e in exercises)
    for e in exercises:
        state = f"  ({progress.state(e.name)})" if progress.state(e.name) else ""
        line = f"{e.number:2}  {e.short:{longest}}  {e.minutes:2} min  {e.title}{state}"
        yield line.rstrip()


def progress_table(exercises: Sequence[Exercise], progress: Progress) -> Table:
    """Those that the learner has begun."""
    table = _table("", "exercise", "", "checks", "hints", "last answer")
    for e in exercises:
        if e.name in progress.entries:
            entry = progress.entries[e.name]
            hints = "solution" if entry.solution else str(entry.hints)
            last = "" if entry.passed else entry.last
            table.add_row(e.number, e.short, entry.state, str(entry.checks), hints, last)
    return table


def passed(exercises: Sequence[Exercise], progress: Progress, folder: Path) -> str:
    """How many, of all."""
    count = sum(progress.state(e.name) == "passed" for e in exercises)
    return f"{count} of {len(exercises)} passed, in {folder}"


def what_follows(exercises: Sequence[Exercise], progress: Progress, options: str) -> str:
    """The command to type next: for the exercise that is begun, else for the first that is not."""
    following = progress.next_of(exercises)
    if following is None:
        return (
            "That was the last one. All exercises are passed. A gradient of your own is checked by "
            "npformer verify --implementation."
        )
    begun = [e for e in exercises if progress.state(e.name) == "started"]
    if not begun:
        return f"Next: npformer exercise start {following.short}{options}"
    own = begun[0]
    entry = progress.entries[own.name]
    left = "another hint" if 0 < entry.hints < HINTS else "a hint"
    hint = f"; {left}: npformer exercise hint {own.short}{options}" if entry.checks else ""
    return f"Next: npformer exercise check {own.short}{options}{hint}"


def grades_table(grades: Grades) -> Table:
    """A row a learner."""
    table = _table("learner", *(e.short for e in grades.exercises), "passed")
    for learner, words, count in grades.rows():
        table.add_row(learner, *words, f"{count} of {len(words)}")
    return table


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
