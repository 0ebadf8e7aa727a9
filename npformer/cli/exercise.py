"""``npformer exercise``: write the backward yourself, and learn from what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from npformer.cli.arguments import UsageError
from npformer.cli.exercise_actions import ACTIONS, FIGURES
from npformer.cli.figures import reporter
from npformer.exercises.catalogue import catalogue
from npformer.exercises.notebook import Format

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
      npformer exercise check linear_backward --watch
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
    watch: tyro.conf.FlagCreatePairsOff[bool] = False
    """Check the file again whenever it is saved, until it passes; Ctrl-C ends it."""
    debug: tyro.conf.FlagCreatePairsOff[bool] = False
    """If a result is wrong, stop in pdb inside your function, at the smallest input."""
    csv: Path | None = None
    """Where grade writes its table for a spreadsheet."""
    json: Path | None = None
    """Also write what list, check, progress or grade says to this file; - is standard output."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""

    def __call__(self) -> int:
        for name in ("cases", "seconds", "megabytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"--{name} is {value}; it must be more than 0")
        if self.name is None and self.action == "grade":
            raise UsageError("grade needs a directory: npformer exercise grade DIR")
        if (self.watch or self.debug) and self.action != "check":
            raise UsageError("--watch and --debug go with check")
        if self.json is not None and self.action not in FIGURES:
            raise UsageError(f"--json goes with {', '.join(FIGURES)}")
        console = reporter(self.json, self.quiet)
        return ACTIONS[self.action](self, catalogue(self.catalogue), console)

    @property
    def options(self) -> str:
        """What the next command must repeat to mean the same."""
        words = [] if self.catalogue is None else [f" --catalogue {self.catalogue}"]
        if self.folder != Command.folder:
            words.append(f" --folder {self.folder}")
        return "".join(words)
