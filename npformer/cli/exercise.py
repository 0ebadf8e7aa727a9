"""``npformer exercise``: write the backward yourself, and learn from what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from npformer.cli.arguments import UsageError
from npformer.cli.exercise_actions import ACTIONS, FIGURES
from npformer.cli.exercise_options import Options
from npformer.cli.figures import reporter
from npformer.exercises.catalogue import catalogue


@dataclass(frozen=True)
class Command(Options):
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

    def __call__(self) -> int:
        """The exit status; raises ``UsageError`` for options that do not go with the action."""
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
