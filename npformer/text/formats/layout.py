"""Which columns of a table are source, target and label, judged by its first rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from npformer.errors import CorpusError, counted
from npformer.text.formats.languages import language_tag
from npformer.text.formats.sides import find_sides, is_header, languages_of, no_sides
from npformer.text.formats.wanted import Note, Wanted, some_of

_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*(e[+-]?\d+)?%?", re.IGNORECASE)
_ADDRESS = re.compile(r"(https?|ftp|file)://\S+")
_CODE = re.compile(r"[\w.:/#@+-]*\d[\w.:/#@+-]*")
_FEWEST_CODES = 3
_FEWEST_LABELS = 20  # rows; below, a label may well differ in each

Rows = Sequence[Sequence[str]]


class Layout(NamedTuple):
    """Places in a row, counted from 0."""

    width: int
    header: bool
    """Whether the first row names the columns."""
    source: int
    target: int
    label: int | None


def find_layout(name: str, ahead: Rows, wanted: Wanted, note: Note) -> Layout:
    """The layout of a table whose first rows are ``ahead``; ``note`` hears what is not plain.

    Raises ``CorpusError`` if a header or ``wanted`` names what is not there.
    """
    first = ahead[0]
    width = len(first)
    header = _has_header(ahead, wanted)
    rows = [row for row in ahead[header:] if len(row) == width]
    if header:
        note(f"{name}: the first row names the columns ({some_of(first)}) and is no pair")
    names = first if header else [str(number) for number in range(1, width + 1)]
    try:
        places = find_sides(names, wanted) if header or wanted.columns else None
    except CorpusError as error:
        raise CorpusError(f"{name} {error}") from error
    if places is None and header and len(languages_of(names)) > 1:
        raise no_sides(name, names, wanted)
    source, target = places[:2] if places else _texts(name, rows, width, note)
    if places and len(places) == 3:
        return Layout(width, header, source, target, places[2])
    label = max(source, target) + 1
    if wanted.columns or label >= width:
        return Layout(width, header, source, target, None)
    distinct = len({row[label] for row in rows})
    if len(rows) >= _FEWEST_LABELS and distinct > len(rows) // 2:
        if not header:
            note(
                f"{name}: column {label + 1} has {distinct:,} values in {len(rows):,} rows, so it "
                "is not taken as a label of where a pair is from"
            )
        return Layout(width, header, source, target, None)
    return Layout(width, header, source, target, label)


def _has_header(ahead: Rows, wanted: Wanted) -> bool:
    first, rest = ahead[0], ahead[1:]
    if len(first) < 2:
        return False
    names = {cell.strip() for cell in first}
    if any(column in names and not column.isdecimal() for column in wanted.columns):
        return True
    filled = [cell for cell in first if cell.strip()]
    if len(filled) > 1 and filled == [str(number) for number in range(len(filled))]:
        return True  # pandas numbers columns that have no names
    if is_header(first):
        languages = languages_of(first)
        # Codes of languages are words too: a dictionary may begin with "it", "es".
        by_language = find_sides(first, wanted._replace(columns=()))
        if by_language or (not languages and len(first) > 2):
            return True
        if any(language_tag(lang) in map(language_tag, wanted.languages) for lang in languages):
            return True
    numbers = [
        column
        for column in range(len(first))
        if len(rest) >= _FEWEST_CODES
        and all(len(row) > column and _NUMBER.fullmatch(row[column].strip()) for row in rest)
    ]
    return any(first[c].strip() and not _NUMBER.fullmatch(first[c].strip()) for c in numbers)


def _texts(name: str, rows: Rows, width: int, note: Note) -> tuple[int, int]:
    """The first two columns, unless what they hold is no text and two others' is."""
    if width < 2:
        return 0, 1  # an error, once the row is read
    kinds = [_kind([row[column].strip() for row in rows]) for column in range(width)]
    if not (kinds[0] or kinds[1]):
        return 0, 1
    texts = [c for c in range(width) if not kinds[c] and not _is_label(rows, c)]
    if len(texts) < 2:
        places = [c for c in (0, 1) if kinds[c] == "numbers"]
        if places:
            sides = " and ".join(("source", "target")[c] for c in places)
            note(
                f"{name}: the {sides} {'are' if len(places) > 1 else 'is'} nothing but numbers in "
                f"the first {counted(len(rows), 'row')}"
            )
        return 0, 1
    source, target = texts[:2]
    others = ", ".join(f"{c + 1} ({kinds[c]})" for c in range(target) if kinds[c])
    note(
        f"{name}: source is column {source + 1}, target is column {target + 1}; passed over: "
        f"{others}. --columns takes others"
    )
    return source, target


def _is_label(rows: Rows, column: int) -> bool:
    return len({row[column] for row in rows}) <= max(1, len(rows) // _FEWEST_LABELS)


def _kind(cells: Sequence[str]) -> str:
    """What a column holds, if it is no text."""
    filled = [cell for cell in cells if cell]
    if not filled:
        return "empty" if cells else ""
    if all(map(_NUMBER.fullmatch, filled)):
        return "numbers"
    if all(map(_ADDRESS.fullmatch, filled)):
        return "addresses"
    if len(filled) >= _FEWEST_CODES and all(map(_CODE.fullmatch, filled)):
        return "codes"
    if len(filled) >= _FEWEST_CODES and len(set(filled)) == 1 and language_tag(filled[0]):
        return "the language"
    return ""
