"""The wrong submissions: what each changes in a right one, and what must be said of it.

``submissions/EXERCISE/wrong.toml`` has a table for each, ``[NAME]``. Its edits, pairs of an old
text that stands there once and the new text, are made in the exercise's solution, or in the
submission that ``from`` names, as ``ast.unparse`` writes it without docstrings. A file
``wrong_NAME.py`` beside it is a whole one, and says in its first line what must be said.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from npformer.exercises.catalogue import BUILT_IN

SUBMISSIONS = Path(__file__).parent / "submissions"
MARK = "# diagnosis: "


class Wrong(NamedTuple):
    """A submission with one mistake."""

    exercise: str
    name: str
    says: str
    """Part of the answer to it."""
    text: str

    def __str__(self) -> str:
        return f"{self.exercise}/{self.name}"


def wrong_submissions() -> Iterator[Wrong]:
    """All, in the order of the exercises."""
    for folder in sorted(SUBMISSIONS.iterdir()):
        for path in sorted(folder.glob("wrong_*.py")):
            text = path.read_text(encoding="utf-8")
            first = text.partition("\n")[0]
            assert first.startswith(MARK), path
            yield Wrong(folder.name, path.stem, first.removeprefix(MARK), text)
        table = folder / "wrong.toml"
        if table.exists():
            for name, about in tomllib.loads(table.read_text(encoding="utf-8")).items():
                text = _edited(folder, about)
                yield Wrong(folder.name, f"wrong_{name}", about["says"], text)


def _edited(folder: Path, about: dict) -> str:
    base = BUILT_IN / folder.name / "solution.py"
    if "from" in about:
        base = folder / f"{about['from']}.py"
    text = _bare(base.read_text(encoding="utf-8"))
    for old, new in about["edits"]:
        assert text.count(old) == 1, f"{folder.name}: {old!r} is not once in {base.name}"
        text = text.replace(old, new)
    return text


def _bare(text: str) -> str:
    """The code alone, laid out as ``ast.unparse`` does it."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(
            node
        ):
            del node.body[0]
    return ast.unparse(tree) + "\n"
