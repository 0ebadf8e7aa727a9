"""A help page in the width of the terminal: tyro joins lines of prose, and leaves them long."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator

_FRAME = tuple("│╭╮╰╯|+")
_COMMAND = re.compile(r"  +(?:npformer|echo|torchrun) ")
_SECOND_COLUMN = re.compile(r"  +\S+(?: \S+)*? {2,}(?=\S)")
_INDENT = re.compile(r" *")
WIDEST = 100
"""Columns in which prose reads well."""


class _Page(io.StringIO):
    """Text for a terminal, of which tyro asks what it can show."""

    def __init__(self) -> None:
        super().__init__()
        self._out = sys.stdout

    def isatty(self) -> bool:
        return self._out.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._out, "encoding", None) or "utf-8"


@contextlib.contextmanager
def wrapped() -> Iterator[None]:
    """Wrap the prose that is printed in here; a frame and its content stay as they are."""
    page = _Page()
    try:
        with contextlib.redirect_stdout(page):
            yield
    finally:
        columns = min(WIDEST, shutil.get_terminal_size().columns)
        rows = page.getvalue().splitlines()
        sys.stdout.write("".join(f"{_fitted(row, columns)}\n" for row in rows))


def _fitted(row: str, columns: int) -> str:
    """The line, or several: a second column is kept, and a command can be copied as one line."""
    framed = row.startswith(_FRAME) and row.rstrip().endswith(_FRAME)
    if len(row) <= columns or framed or "\x1b" in row or _COMMAND.match(row):
        return row
    first = (_SECOND_COLUMN.match(row) or _INDENT.match(row))[0]  # type: ignore[index]
    return textwrap.fill(
        row[len(first) :],
        columns,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
