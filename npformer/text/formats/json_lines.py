"""Pairs from JSON: ``.jsonl``, an object or a list of two texts a line, and ``.json``, a list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from npformer.errors import CorpusError
from npformer.files.content import Content
from npformer.files.lines import read_lines, read_whole
from npformer.text.formats.records import Records
from npformer.text.formats.wanted import Note, Row, Wanted

_LIST = re.compile(rb"(\xef\xbb\xbf)?\s*\[")


def json_rows(content: Content, wanted: Wanted, note: Note) -> Iterator[Row]:
    """The pairs of the records; an empty line is an empty pair, null is empty text.

    Raises ``CorpusError`` with the line's number.
    """
    records = Records(content.name, wanted)
    for where, value in json_values(content):
        yield records.row(value, where)


def json_values(content: Content) -> Iterator[tuple[str, Any]]:
    """Each record, and where it is in words; an empty line is None. Raises ``CorpusError``."""
    if content.suffix == ".json" and _LIST.match(content.head()):
        records = _decode(content.name, read_whole(content), 1)
        for number, value in enumerate(records, 1):
            yield f"record {number}", value
        return
    for number, line in enumerate(read_lines(content), 1):
        yield f"line {number}", _decode(content.name, line, number) if line.strip() else None


def _decode(name: str, text: str, first: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first + error.lineno - 1
        raise CorpusError(
            f"{name}: line {line} is no JSON at column {error.colno} ({error.msg}); "
            "a .jsonl file has an object a line, a .json file a list of objects"
        ) from error
