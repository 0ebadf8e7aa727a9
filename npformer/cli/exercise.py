"""``npformer exercise``: write the backward yourself, and learn from what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console
from rich.table import Table

from npformer.cli.arguments import UsageError
from npformer.cli.exercise_table import grades_table, listing, passed, progress_table
from npformer.exercises.catalogue import catalogue, find
from npformer.exercises.classroom import grade_directory
from npformer.exercises.exercise import HINTS, Exercise, ExerciseError
from npformer.exercises.notebook import Format, notebook
from npformer.exercises.progress import read_progress
from npformer.exercises.runner import Limits, check_submission
from npformer.exercises.start import file_of, named_or_newest, write_new
from npformer.files.atomic import write_file

NOT_YET = 1

Action = Literal["list", "start", "check", "hint", "solution", "progress", "notebook", "grade"]


@dataclass(frozen=True)
class Command:
    """Exercises: write the backwards of a Transformer yourself, from linear to a whole layer.

      list           the exercises, in the order of the walkthroughs
      start NAME     write a file with the forward given and a blank for you; show the task
      check NAME     run your file: which gradient is wrong, on which smallest input, and why
      hint NAME      the next of three hints
      solution NAME  a solution with comments, after --yes
      progress       what you have passed
      notebook NAME  the same exercise as a notebook
      grade DIR      for teachers: check a directory of submissions, one sub-folder a learner

    NAME is a name or a number from the list; check also takes a file. Without a NAME, start goes
    to the first exercise that you have not begun, and the others to the file that you changed
    last. Any correct formulation passes: your results are checked, not your formulas. Your file
    runs in a process of its own with a time and a memory limit.

    Exit status of check: 0 if passed, 1 if not yet, 2 for a bad command line.

    Examples:
      npformer exercise list
      npformer exercise start linear_backward
      npformer exercise check linear_backward
      npformer exercise hint linear_backward
      npformer exercise solution linear_backward --yes
      npformer exercise grade submissions --csv grades.csv --json grades.json
    """

    action: tyro.conf.Positional[Action]
    """What to do."""
    name: tyro.conf.Positional[str | None] = None
    """An exercise, a file to check, or a directory to grade."""
    folder: Path = Path("exercises")
    """Where your files and your progress are kept."""
    catalogue: Path | None = None
    """A folder of exercises of your own, in place of the built-in ones."""
    cases: int | None = None
    """Generated cases for a check; each exercise has its own number unless given."""
    seed: int = 0
    """Decides every case; the same seed gives the same cases."""
    seconds: float = 30.0
    """Time limit for a file."""
    megabytes: int = 1024
    """Memory limit for a file."""
    format: Format = "ipynb"
    """Of the notebook: Jupyter's own, or MyST Markdown."""
    yes: tyro.conf.FlagCreatePairsOff[bool] = False
    """Show the solution at once."""
    csv: Path | None = None
    """Where grade writes its table for a spreadsheet."""
    json: Path | None = None
    """Where grade writes every answer in full."""

    def __call__(self) -> int:
        for name in ("cases", "seconds", "megabytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"--{name} is {value}; it must be more than 0")
        if self.name is None and self.action == "grade":
            raise UsageError("grade needs a directory: npformer exercise grade DIR")
        return getattr(self, f"_{self.action}")(catalogue(self.catalogue))

    def _list(self, exercises: list[Exercise]) -> int:
        progress = read_progress(self.folder)
        print("\n".join(listing(exercises, progress)))
        if first := progress.next_of(exercises):
            print(f"\nBegin with: npformer exercise start {first.short}{self._options}")
        return 0

    def _start(self, exercises: list[Exercise]) -> int:
        progress = read_progress(self.folder)
        if self.name is not None:
            exercise = find(self.name, exercises)
        else:
            exercise = next((e for e in exercises if not progress.state(e.name)), exercises[0])
        path = file_of(exercise, self.folder)
        written = write_new(path, exercise.start)
        progress.start(exercise.name)
        progress.save()
        print(exercise.task)
        said = "Your file is" if written else "Your file was there already, and is as you left it:"
        print(f"\n{said} {path}")
        print(f"Then: npformer exercise check {exercise.short}{self._options}")
        return 0

    def _check(self, exercises: list[Exercise]) -> int:
        exercise, path = named_or_newest(self.name, exercises, self.folder)
        limits = Limits(self.seconds, self.megabytes)
        with Console(stderr=True).status(f"checking {path}"):
            outcome = check_submission(
                exercise, path, cases=self.cases, seed=self.seed, limits=limits
            )
        progress = read_progress(path.parent)
        progress.start(exercise.name)
        progress.check(exercise.name, outcome)
        progress.save()
        print(f"{path}\n{outcome}")
        if not outcome.passed:
            print(f"\nA hint: npformer exercise hint {exercise.short}{self._options}")
            return NOT_YET
        if following := progress.next_of(exercises):
            print(f"\nNext: npformer exercise start {following.short}{self._options}")
        else:
            print("\nThat was the last one. All exercises are passed.")
        return 0

    def _hint(self, exercises: list[Exercise]) -> int:
        exercise, _ = named_or_newest(self.name, exercises, self.folder)
        progress = read_progress(self.folder)
        entry = progress.of(exercise.name)
        if entry.hints < HINTS:
            entry.hints += 1
            shown = [entry.hints]
        else:
            shown = list(range(1, HINTS + 1))
        for number in shown:
            print(
                f"Hint {number} of {HINTS} for {exercise.short}\n\n{exercise.hints[number - 1]}\n"
            )
        if len(shown) > 1:
            print(f"That is all. npformer exercise solution {exercise.short} shows the solution.")
        progress.save()
        return 0

    def _solution(self, exercises: list[Exercise]) -> int:
        exercise, _ = named_or_newest(self.name, exercises, self.folder)
        if not self.yes:
            print(
                f"This prints the whole solution of {exercise.short}, and your progress will say "
                f"so.\nTo see it: npformer exercise solution {exercise.short}{self._options} --yes"
            )
            return NOT_YET
        progress = read_progress(self.folder)
        entry = progress.of(exercise.name)
        entry.solution = entry.solution or not entry.passed
        progress.save()
        print(exercise.solution, end="")
        return 0

    def _progress(self, exercises: list[Exercise]) -> int:
        progress = read_progress(self.folder)
        if (table := progress_table(exercises, progress)).row_count:
            _print(table)
        print(passed(exercises, progress, self.folder))
        if following := progress.next_of(exercises):
            print(f"Next: npformer exercise start {following.short}{self._options}")
        return 0

    def _notebook(self, exercises: list[Exercise]) -> int:
        exercise, _ = named_or_newest(self.name, exercises, self.folder)
        suffix = "ipynb" if self.format == "ipynb" else "md"
        path = self.folder / f"{exercise.name}.{suffix}"
        if not write_new(path, notebook(exercise, self.format, self.catalogue)):
            raise ExerciseError(f"{path} exists, and is left as it is; move it to begin anew")
        progress = read_progress(self.folder)
        progress.start(exercise.name)
        progress.save()
        print(f"{path}\nOpen it in Jupyter; its last cells check your functions and show hints.")
        return 0

    def _grade(self, exercises: list[Exercise]) -> int:
        assert self.name is not None
        console = Console(stderr=True)
        with console.status("grading") as status:
            grades = grade_directory(
                Path(self.name),
                exercises,
                cases=self.cases,
                seed=self.seed,
                limits=Limits(self.seconds, self.megabytes),
                progress=lambda learner: status.update(f"graded {learner}"),
            )
        _print(grades_table(grades))
        if self.csv is not None:
            write_file(self.csv, grades.csv().encode())
        if self.json is not None:
            write_file(self.json, (json.dumps(grades.to_dict(), indent=2) + "\n").encode())
        return 0

    @property
    def _options(self) -> str:
        """What the next command must repeat to mean the same."""
        words = [] if self.catalogue is None else [f" --catalogue {self.catalogue}"]
        if self.folder != Command.folder:
            words.append(f" --folder {self.folder}")
        return "".join(words)


def _print(table: Table) -> None:
    Console().print(table, highlight=False, markup=False)
