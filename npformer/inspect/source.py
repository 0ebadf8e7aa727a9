"""The package's own source, shown where it is spoken of, so that the two cannot drift apart.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from npformer.errors import NpformerError

_ROOT = Path(__file__).resolve().parents[2]


class Excerpt(NamedTuple):
    """A stretch of a source file; a notebook shows it highlighted, ``print`` as text."""

    file: str
    """Path from the folder that holds the package, such as ``npformer/ops/linear.py``."""
    first: int
    """Its first line in the file, from 1."""
    text: str
    language: str = "python"
    """How a notebook highlights it: ``python``, or ``text`` for a derivation."""

    @property
    def last(self) -> int:
        """Its last line in the file."""
        return self.first + self.text.count("\n")

    @property
    def where(self) -> str:
        return f"{self.file}, lines {self.first} to {self.last}"

    def __str__(self) -> str:
        return f"# {self.where}\n{self.text}"

    def _repr_markdown_(self) -> str:
        return f"*{self.where}*\n\n```{self.language}\n{self.text}\n```"


class Excerpts(list[Excerpt]):
    """Several of them, one below the other."""

    def __str__(self) -> str:
        return "\n\n".join(map(str, self))

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return "\n\n".join(source._repr_markdown_() for source in self)


def show_source(*objects: Any) -> Excerpts:
    """The source of functions, classes or methods, in the order given.

    Raises ``NpformerError`` for an object that was not written in Python.
    """
    found = Excerpts()
    for each in objects:
        try:
            lines, first = inspect.getsourcelines(inspect.unwrap(each))
            path = inspect.getsourcefile(inspect.unwrap(each))
        except (TypeError, OSError) as error:
            raise NpformerError(
                f"{each!r} has no Python source to show; give a function or a class"
            ) from error
        found.append(Excerpt(_shown(path), first, "".join(lines).rstrip()))
    return found


def show_derivation(module: ModuleType) -> Excerpt:
    """The docstring at the top of a module: for an op, its Shapes, Forward, Backward, Reading.

    Raises ``NpformerError`` for anything but a module with a docstring.
    """
    if not isinstance(module, ModuleType) or not module.__doc__:
        raise NpformerError(
            f"{module!r} is not a module with a docstring; give one, such as "
            "npformer.ops.layer_norm"
        )
    return Excerpt(_shown(module.__file__), 1, module.__doc__.rstrip(), "text")


def _shown(path: str | None) -> str:
    file = Path(path or "").resolve()
    return file.relative_to(_ROOT).as_posix() if file.is_relative_to(_ROOT) else file.name
