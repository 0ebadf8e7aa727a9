"""The cells of a table's lines: tabs, ``|||``, and CSV with quotes as spreadsheets write them."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from npformer.errors import CorpusError
from npformer.files.content import Content
from npformer.files.lines import read_lines
from npformer.text.formats.wanted import Note, one_line

AHEAD = 1000
"""Rows that are looked at before the first is given."""

Cells = Iterator[tuple[int, list[str]]]
"""The number of a row's first line, and its cells."""

_DELIMITERS = ",;\t|"
_WHOLE = re.compile(r'"(?:[^"]|"")*"')
_CELL = re.compile(r'("(?:[^"]|"")*+"|[^"\t\n]*+)(\t|\n|\Z)')
_CUT_OFF = re.compile(r'"(?:[^"]|"")*+\Z')


def read_cells(content: Content, note: Note) -> Cells:
    """The rows of a table; those of a ``.csv`` file are CSV, with the delimiter that they have.

    In any other file a tab, or ``|||``, ends a cell, and a quote is a character like others, unless
    all cells that have one are quoted as a spreadsheet does it; they may then have line breaks.
    Raises ``CorpusError``.
    """
    lines = read_lines(content)
    if content.suffix == ".csv":
        return _csv_cells(content.name, lines)
    return _tabbed_cells(content.name, lines, note)


def _tabbed_cells(name: str, lines: Iterator[str], note: Note) -> Cells:
    delimiter = "\t"
    number = 0
    for number, line in enumerate(lines, 1):
        if number == 1 and "\t" not in line and "|||" in line:
            delimiter = "|||"
        if '"' in line:
            break
        yield number, line.split(delimiter)
    else:
        return
    # The first quote decides, with the lines that follow, for the rest of the file.
    ahead = [line, *itertools.islice(lines, AHEAD)]
    rest = itertools.chain(ahead, lines)
    if delimiter == "\t" and (
        _is_quoted([line.split("\t") for line in ahead], number == 1)
        or _breaks_lines(ahead, cut_off=len(ahead) > AHEAD)
    ):
        note(f"{name}: from line {number} on, quotes are a spreadsheet's and are taken off")
        yield from _quoted_cells(name, rest, number, delimiter)
    else:
        for at, line in enumerate(rest, number):
            yield at, line.split(delimiter)


def _is_quoted(rows: Sequence[Sequence[str]], from_the_start: bool) -> bool:
    """Whether quotes are those of a spreadsheet, and not of the text.

    A cell with a quote is then in quotes as a whole and doubles those within, which text never
    does; or every cell of the file is in quotes; or just those with a comma are, as Excel does it.
    """
    cells = [cell for row in rows for cell in row if cell.strip()]
    quoted = [cell for cell in cells if '"' in cell]
    if not all(_WHOLE.fullmatch(cell) for cell in quoted):
        return False
    if any('""' in cell[1:-1] for cell in quoted):
        return True
    if from_the_start and len(quoted) == len(cells):
        return True
    return len(quoted) >= 5 and all(("," in cell) == ('"' in cell) for cell in cells)


def _breaks_lines(lines: Sequence[str], *, cut_off: bool) -> bool:
    """Whether the lines are no table, but one if cells in quotes may have line breaks.

    ``cut_off``: the last cell may have no end.
    """
    if len({line.count("\t") for line in lines if line}) < 2:
        return False
    text = "\n".join(lines)
    widths, at, width = set(), 0, 0
    broken = False
    while at < len(text):
        cell = _CELL.match(text, at)
        if cell is None:
            if not cut_off or _CUT_OFF.match(text, at) is None:
                return False
            break
        at, width = cell.end(), width + 1
        broken = broken or "\n" in cell[1]
        if cell[2] != "\t":
            if width > 1 or cell[1]:  # else an empty line
                widths.add(width)
            width = 0
    return broken and len(widths) == 1 and widths != {1}


def _csv_cells(name: str, lines: Iterator[str]) -> Cells:
    ahead = list(itertools.islice(lines, AHEAD))
    first = 1
    if ahead[0].casefold().startswith("sep=") and len(ahead[0]) == 5:  # Excel's own line
        delimiter, first = ahead.pop(0)[-1], 2
    else:
        delimiter = max(_DELIMITERS, key=lambda d: _fit(ahead, d))
    return _quoted_cells(name, itertools.chain(ahead, lines), first, delimiter)


def _fit(lines: Sequence[str], delimiter: str) -> float:
    """The share of rows that agree on a number of columns, two or more."""
    try:
        rows = list(csv.reader((line + "\n" for line in lines), delimiter=delimiter))
    except csv.Error:
        return 0.0
    widths = Counter(len(row) for row in rows if row)
    width, count = widths.most_common(1)[0] if widths else (0, 0)
    return count / widths.total() if width > 1 else 0.0


def _quoted_cells(name: str, lines: Iterable[str], first: int, delimiter: str) -> Cells:
    reader = csv.reader((line + "\n" for line in lines), delimiter=delimiter, strict=True)
    number = first
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise CorpusError(
                f"{name}: the row that begins in line {number} is no CSV ({error}); a cell with a "
                "quote or a line break is in quotes, and doubles the quotes in it"
            ) from error
        if row is None:
            return
        end = first + reader.line_num
        yield number, row if end == number + 1 else [one_line(cell) for cell in row]
        number = end
