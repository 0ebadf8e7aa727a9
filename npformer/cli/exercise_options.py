"""The options of ``npformer exercise``, which its actions read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from npformer.exercises.notebook import Format

Action = Literal["list", "start", "check", "hint", "solution", "progress", "notebook", "grade"]


@dataclass(frozen=True)
class Options:
    """What the command line says; ``npformer.cli.exercise`` explains it."""

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

    @property
    def options(self) -> str:
        """What the next command must repeat to mean the same."""
        words = [] if self.catalogue is None else [f" --catalogue {self.catalogue}"]
        if self.folder != Options.folder:
            words.append(f" --folder {self.folder}")
        return "".join(words)
