"""What the page says of an operation: its file's own formulas, its source lines, its chapter.

Nothing is written twice. The formulas are the blocks of the op file's docstring, the source is
cut from the file, and the chapter is the one that the docstring names.
"""

from __future__ import annotations

import importlib
import io
import keyword
import pkgutil
import re
import textwrap
import tokenize
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from npformer.inspect.source import show_source

Segment = list[str]
"""Text, and how to show it: k keyword, d defined name, s string, c comment, n number, or ""."""

WAYS = ("forward", "backward")

_BLOCK = re.compile(r"^(Shapes|Forward|Backward|Reading|Chapter)\b *", re.MULTILINE)


def explain(name: str) -> dict[str, Any]:
    """What a recorded call computes -> title, formulas, sources and chapter.

    ``name`` is that of its op, or, where it is made of other calls, its kind: a module's class, or
    one of the class's pairs of methods (``Embedding.project``). Raises ``LookupError`` for another
    name.
    """
    for op in _modules("npformer.ops"):
        if hasattr(op, f"{name}_forward") and op.__name__.endswith(f".{name}"):
            return _explained(op, [getattr(op, f"{name}_{way}") for way in WAYS])
    kind, _, method = name.partition(".")
    for owner in (*_modules("npformer.nn"), *_modules("npformer.models")):
        found = getattr(owner, kind, None)
        if found is not None and found.__module__ == owner.__name__:
            ways = (method, f"{method}_backward") if method else WAYS
            return _explained(owner, [getattr(found, way) for way in ways])
    raise LookupError(f"npformer has no operation and no module called {name}")


def blocks(documentation: str) -> dict[str, str]:
    """The named blocks of a docstring, dedented; what stands before them is its "title"."""
    marks = list(_BLOCK.finditer(documentation))
    starts = [mark.start() for mark in marks] + [len(documentation)]
    found = {"title": documentation[: starts[0]]}
    for mark, end in zip(marks, starts[1:], strict=True):
        margin = " " * (mark.end() - mark.start())
        found[mark[1].lower()] = textwrap.dedent(margin + documentation[mark.end() : end])
    return {name: text.strip("\n").rstrip().replace("``", "") for name, text in found.items()}


def highlight(code: str) -> list[list[Segment]]:
    """Lines of Python as segments of text with the class to show each in."""
    lines = code.splitlines()
    segments: list[list[Segment]] = [[] for _ in lines]
    at = [0] * len(lines)

    def put(row: int, start: int, end: int, style: str) -> None:
        if start > at[row]:
            segments[row].append([lines[row][at[row] : start], ""])
        segments[row].append([lines[row][start:end], style])
        at[row] = end

    previous = ""
    for token in tokenize.generate_tokens(io.StringIO(code + "\n").readline):
        style = _style(token, previous)
        previous = token.string
        if not style:
            continue
        (first, start), (last, end) = token.start, token.end
        for row in range(first - 1, last):
            put(
                row,
                start if row == first - 1 else 0,
                end if row == last - 1 else len(lines[row]),
                style,
            )
    for row, line in enumerate(lines):
        if at[row] < len(line):
            segments[row].append([line[at[row] :], ""])
    return segments


def chapter(path: str) -> dict[str, str]:
    """``walkthroughs/03_layer_norm.md`` -> number "3", name "layer norm", and the path."""
    stem = path.rpartition("/")[2].removesuffix(".md")
    number, _, name = stem.partition("_")
    return {
        "number": number.lstrip("0") or "0",
        "name": name.replace("_", " "),
        "path": path,
    }


def _explained(module: ModuleType, functions: list[Any]) -> dict[str, Any]:
    found = blocks(module.__doc__ or "")
    sources = show_source(*functions)
    return {
        "title": found.pop("title").split("\n\n")[0].replace("\n", " "),
        "about": _rest(module.__doc__ or ""),
        "chapter": chapter(found.pop("chapter")) if "chapter" in found else None,
        **found,
        "sources": [
            {
                "file": source.file,
                "first": source.first,
                "lines": highlight(textwrap.dedent(source.text)),
            }
            for source in sources
        ],
    }


def _rest(documentation: str) -> str:
    """A docstring's text between its first paragraph and its blocks."""
    before = blocks(documentation)["title"]
    return before.partition("\n\n")[2].strip("\n")


def _style(token: tokenize.TokenInfo, previous: str) -> str:
    if token.type == tokenize.COMMENT:
        return "c"
    if token.type == tokenize.STRING:
        return "s"
    if token.type == tokenize.NUMBER:
        return "n"
    if token.type == tokenize.NAME:
        if previous in ("def", "class"):
            return "d"
        if keyword.iskeyword(token.string) or token.string == "self":
            return "k"
    return ""


def _modules(package: str) -> Iterator[ModuleType]:
    """The modules of a package and of those in it, each imported when its turn comes."""
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        yield importlib.import_module(found.name)
