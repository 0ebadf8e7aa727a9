"""What a command reports: text for a person, and the same figures as JSON, in one form for all."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

import npformer
from npformer.cli.arguments import UsageError
from npformer.files.atomic import write_file

T = TypeVar("T")

STANDARD_OUTPUT = Path("-")


def reporter(json: Path | None, quiet: bool = False, makes: Path | None = None) -> Console:
    """Where a command's text goes: nowhere if quiet, aside if JSON goes to standard output.

    ``makes`` is the directory that the command will make, where the JSON may be too.
    Raises ``UsageError``, before any work, if the JSON cannot be written where it is asked for.
    """
    if json is not None and json != STANDARD_OUTPUT:
        if json.is_dir():
            raise UsageError(f"{json} is a directory; --json names the file to write")
        if not json.parent.is_dir() and json.parent != makes:
            raise UsageError(f"{json.parent} is no directory, so {json} cannot be; make it first")
    return Console(stderr=json == STANDARD_OUTPUT, quiet=quiet)


def tracked(parts: Sequence[T], what: str, console: Console) -> Iterable[T]:
    """The parts, one by one, with a bar while they are worked on if the console is a terminal."""
    if not console.is_terminal:
        return parts  # rich 13.0 ends a bar that is disabled, too, with an empty line
    return track(parts, what, console=console, transient=True)


def write_figures(path: Path | None, command: str, figures: Mapping[str, Any]) -> None:
    """Write the figures to a file, whole or not at all; ``-`` is standard output, None nothing.

    An object with ``npformer``, the version, ``command``, and the command's own keys. What JSON has
    no number for, nan or inf, is null.
    """
    if path is None:
        return
    content = {"npformer": npformer.__version__, "command": command, **figures}
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if path == STANDARD_OUTPUT:
        print(text, end="")
    else:
        write_file(path, text.encode())


def _plain(value: Any) -> Any:
    """The value in JSON's own types."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    return value if isinstance(value, (str, int, bool)) or value is None else str(value)
