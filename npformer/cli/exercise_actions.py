"""What each word after ``npformer exercise`` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from npformer.cli.exercise_options import Options
from npformer.cli.exercise_table import grades_table, listing, passed, progress_table, what_follows
from npformer.cli.figures import write_figures
from npformer.exercises.catalogue import find
from npformer.exercises.classroom import grade_directory
from npformer.exercises.debug import debug
from npformer.exercises.exercise import HINTS, Exercise, ExerciseError
from npformer.exercises.notebook import notebook
from npformer.exercises.progress import Progress, read_progress
from npformer.exercises.runner import Limits, check_submission
from npformer.exercises.start import file_of, named_or_newest, write_new
from npformer.exercises.watch import versions
from npformer.files.atomic import write_file

NOT_YET = 1


def _list(command: Options, exercises: list[Exercise], console: Console) -> int:
    progress = read_progress(command.folder)
    _say(console, "\n".join(listing(exercises, progress)))
    if first := progress.next_of(exercises):
        _say(console, f"\nBegin with: npformer exercise start {first.short}{command.options}")
    write_figures(command.json, "exercise", {"exercises": _states(exercises, progress)})
    return 0


def _start(command: Options, exercises: list[Exercise], console: Console) -> int:
    progress = read_progress(command.folder)
    if command.name is not None:
        exercise = find(command.name, exercises)
    else:
        exercise = next((e for e in exercises if not progress.state(e.name)), exercises[0])
    path = file_of(exercise, command.folder)
    written = write_new(path, exercise.start)
    progress.start(exercise.name)
    progress.save()
    _say(console, exercise.task)
    said = "Your file is" if written else "Your file was there already, and is as you left it:"
    _say(console, f"\n{said} {path}")
    _say(console, f"Then: npformer exercise check {exercise.short}{command.options}")
    return 0


def _check(command: Options, exercises: list[Exercise], console: Console) -> int:
    exercise, path = named_or_newest(command.name, exercises, command.folder)
    if not command.watch:
        return _check_once(command, exercises, exercise, path, console)
    for _ in versions(path):
        if _check_once(command, exercises, exercise, path, console) == 0:
            break
        _say(console, f"\nSave {path} to have it checked again; Ctrl-C ends this.\n")
    return 0


def _check_once(
    command: Options, exercises: list[Exercise], exercise: Exercise, path: Path, console: Console
) -> int:
    limits = Limits(command.seconds, command.megabytes)
    with Console(stderr=True, quiet=command.quiet).status(f"checking {path}"):
        outcome = check_submission(
            exercise, path, cases=command.cases, seed=command.seed, limits=limits
        )
    progress = read_progress(path.parent)
    progress.start(exercise.name)
    progress.check(exercise.name, outcome)
    progress.save()
    write_figures(
        command.json, "exercise", {"exercise": exercise.name, "file": path, **outcome.to_dict()}
    )
    _say(console, f"{path}\n{outcome}")
    if outcome.passed:
        _say(console, f"\n{what_follows(exercises, progress, command.options)}")
        return 0
    if command.debug:
        if not outcome.example:
            raise ExerciseError(f"{path} has nothing to stop in yet: {outcome.verdict}")
        debug(exercise, path, outcome)
    _say(console, f"\nA hint: npformer exercise hint {exercise.short}{command.options}")
    return NOT_YET


def _hint(command: Options, exercises: list[Exercise], console: Console) -> int:
    exercise, _ = named_or_newest(command.name, exercises, command.folder)
    progress = read_progress(command.folder)
    entry = progress.of(exercise.name)
    if entry.hints < HINTS:
        entry.hints += 1
        shown = [entry.hints]
    else:
        shown = list(range(1, HINTS + 1))
    for number in shown:
        _say(
            console,
            f"Hint {number} of {HINTS} for {exercise.short}\n\n{exercise.hints[number - 1]}\n",
        )
    if len(shown) > 1:
        _say(
            console, f"That is all. npformer exercise solution {exercise.short} shows the solution."
        )
    progress.save()
    return 0


def _solution(command: Options, exercises: list[Exercise], console: Console) -> int:
    exercise, _ = named_or_newest(command.name, exercises, command.folder)
    if not command.yes:
        _say(
            console,
            f"This prints the whole solution of {exercise.short}, and your progress will say "
            f"so.\nTo see it: npformer exercise solution {exercise.short}{command.options} --yes",
        )
        return NOT_YET
    progress = read_progress(command.folder)
    entry = progress.of(exercise.name)
    entry.solution = entry.solution or not entry.passed
    progress.save()
    _say(console, exercise.solution.rstrip("\n"))
    return 0


def _progress(command: Options, exercises: list[Exercise], console: Console) -> int:
    progress = read_progress(command.folder)
    if (table := progress_table(exercises, progress)).row_count:
        _print(console, table)
    _say(console, passed(exercises, progress, command.folder))
    _say(console, what_follows(exercises, progress, command.options))
    write_figures(command.json, "exercise", {"exercises": _states(exercises, progress)})
    return 0


def _notebook(command: Options, exercises: list[Exercise], console: Console) -> int:
    exercise, _ = named_or_newest(command.name, exercises, command.folder)
    suffix = "ipynb" if command.format == "ipynb" else "md"
    path = command.folder / f"{exercise.name}.{suffix}"
    if not write_new(path, notebook(exercise, command.format, command.catalogue)):
        raise ExerciseError(f"{path} exists, and is left as it is; move it to begin anew")
    progress = read_progress(command.folder)
    progress.start(exercise.name)
    progress.save()
    _say(
        console, f"{path}\nOpen it in Jupyter; its last cells check your functions and show hints."
    )
    return 0


def _grade(command: Options, exercises: list[Exercise], console: Console) -> int:
    assert command.name is not None
    with Console(stderr=True, quiet=command.quiet).status("grading") as status:
        grades = grade_directory(
            Path(command.name),
            exercises,
            cases=command.cases,
            seed=command.seed,
            limits=Limits(command.seconds, command.megabytes),
            progress=lambda learner: status.update(f"graded {learner}"),
        )
    _print(console, grades_table(grades))
    if command.csv is not None:
        write_file(command.csv, grades.csv().encode())
    write_figures(command.json, "exercise", grades.to_dict())
    return 0


def _states(exercises: list[Exercise], progress: Progress) -> list[dict[str, Any]]:
    """What list and progress show of each exercise."""
    return [
        {
            "exercise": e.name,
            "title": e.title,
            "minutes": e.minutes,
            "state": progress.state(e.name),
            **({} if e.name not in progress.entries else vars(progress.entries[e.name])),
        }
        for e in exercises
    ]


def _say(console: Console, text: str) -> None:
    console.out(text, highlight=False)


def _print(console: Console, table: Table) -> None:
    console.print(table, highlight=False, markup=False)


ACTIONS: dict[str, Callable[[Options, list[Exercise], Console], int]] = {
    "list": _list,
    "start": _start,
    "check": _check,
    "hint": _hint,
    "solution": _solution,
    "progress": _progress,
    "notebook": _notebook,
    "grade": _grade,
}
FIGURES = ("list", "check", "progress", "grade")
"""Those with figures for --json."""
