"""Pairs from the rows of a table: ``.tsv``, ``.csv``, and any text with a tab or ``|||`` a line."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from npformer.errors import CorpusError
from npformer.files.content import Content
from npformer.text.formats.cells import AHEAD, read_cells
from npformer.text.formats.languages import language_tag
from npformer.text.formats.layout import find_layout
from npformer.text.formats.plain import SUFFIXES
from npformer.text.formats.wanted import Note, Row, Wanted


def table_rows(content: Content, wanted: Wanted, note: Note) -> Iterator[Row]:
    """The pairs; an empty line is an empty pair. Raises ``CorpusError`` with the line's number."""
    rows = read_cells(content, note)
    ahead = list(itertools.islice(rows, AHEAD))
    filled = [cells for _, cells in ahead if any(map(str.strip, cells))]
    if not filled:
        yield from (("", "", "") for _ in itertools.chain(ahead, rows))
        return
    width, header, source, target, label = find_layout(content.name, filled, wanted, note)
    names = filled[0] if header else None
    for number, cells in itertools.chain(ahead, rows):
        if len(cells) != width or width < 2:
            if not any(map(str.strip, cells)):
                yield "", "", ""
                continue
            if len(cells) > width > 1 and not any(map(str.strip, cells[width:])):
                yield cells[source], cells[target], "" if label is None else cells[label]
                continue  # tabs at the end of a line
            raise _ragged(content, number, len(cells), width)
        if cells is names:
            continue
        yield cells[source], cells[target], "" if label is None else cells[label]


def _ragged(content: Content, number: int, count: int, width: int) -> CorpusError:
    where = f"{content.name}: line {number} has"
    if count > 1:
        return CorpusError(f"{where} {count} columns, those before it {width}")
    if language_tag(content.suffix.lstrip(".")):
        hint = "; two parallel files are given as FILE.en,FILE.de"
    elif content.suffix != ".csv":
        hint = "; a table with commas or semicolons is named .csv"
    else:
        hint = ""
    if content.suffix in SUFFIXES:
        hint += "; plain text is for a model without a source, such as --model gpt"
    return CorpusError(f"{where} 1 column; a line is source, tab, target{hint}")
