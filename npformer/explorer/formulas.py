"""What the page says of an operation: its file's own formulas, its source lines, its chapter.

Nothing is written twice. The formulas are the blocks of the op file's docstring, the source is
cut from the file, and the chapter is the one that the docstring names.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import keyword
import re
import textwrap
import tokenize
from types import ModuleType
from typing import Any

from npformer.inspect.source import show_source

Segment = list[str]
"""Text, and how to show it: k keyword, d defined name, s string, c comment, n number, or ""."""

_BLOCK = re.compile(r"^(Shapes|Forward|Backward|Reading|Chapter)\b *", re.MULTILINE)


def explain(kind: str) -> dict[str, Any]:
    """The kind of a recorded call -> title, formulas, sources and chapter.

    A kind is a module's class, one of its pairs of methods (``Residual.leave``), or an op. A module
    that only owns the parameters of an op is explained by the op. Raises ``LookupError`` for
    another name.
    """
    kind, _, method = kind.partition(".")
    passes = (method, f"{method}_backward") if method else ("forward", "backward")
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower().removesuffix("_tanh")
    op = _module(f"npformer.ops.{name}")
    if op is not None:
        functions = [getattr(op, f"{name}_{way}") for way in ("forward", "backward")]
        return _explained(op, functions)
    for package in ("nn", "models"):
        owner = _module(f"npformer.{package}.{name}")
        if owner is not None:
            return _explained(owner, [getattr(getattr(owner, kind), way) for way in passes])
    raise LookupError(f"npformer has no operation and no module called {kind}")


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


def _module(name: str) -> ModuleType | None:
    return importlib.import_module(name) if importlib.util.find_spec(name) else None
