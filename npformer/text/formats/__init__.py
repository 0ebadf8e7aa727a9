"""Sentence pairs from files: a reader for each format, and the choice among them.

==============================  =====================================================
``.tsv``, ``.txt``, any other   a table, ``table.py``: a tab or ``|||`` between cells
``.txt``, ``.text``, ``.md``    without those and where a text will do, a text, ``plain.py``
``.csv``                        a table with commas, semicolons or tabs, and quotes
``.jsonl``, ``.ndjson``         an object a line, ``json_lines.py``
``.json``                       a list of objects
``.tmx``                        a translation memory, ``tmx.py``
``.po``, ``.mo``                gettext's catalogues, ``gettext.py``; extra ``corpora``
``.parquet``                    ``parquet.py``; extra ``corpora``
``.zip``                        one of these, or two parallel files, ``archive.py``
``FILE.en,FILE.de``             two files with the same number of lines, ``aligned.py``
==============================  =====================================================

A reader takes a ``Content``, what is ``Wanted`` of it, and a function that hears what it decided by
itself; it gives rows one by one. All may be compressed (``.gz``, ``.bz2``, ``.xz``) or come from a
pipe; a file without a known suffix is judged by its first bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from npformer.files.content import Content
from npformer.text.formats.aligned import aligned_rows, named_files
from npformer.text.formats.archive import members_with_pairs
from npformer.text.formats.gettext import MO_MAGIC, catalogue_rows
from npformer.text.formats.json_lines import json_rows
from npformer.text.formats.parquet import parquet_rows
from npformer.text.formats.plain import is_plain, text_rows
from npformer.text.formats.table import table_rows
from npformer.text.formats.tmx import tmx_rows
from npformer.text.formats.wanted import Note, Row, Wanted

__all__ = ["Note", "Row", "Wanted", "file_rows"]

_Reader = Callable[[Content, Wanted, Note], Iterator[Row]]

_READERS: dict[str, _Reader] = {
    ".tsv": table_rows,
    ".csv": table_rows,
    ".txt": table_rows,
    ".jsonl": json_rows,
    ".ndjson": json_rows,
    ".json": json_rows,
    ".tmx": tmx_rows,
    ".po": catalogue_rows,
    ".mo": catalogue_rows,
    ".parquet": parquet_rows,
}
# Of files whose suffix says nothing.
_BEGINNINGS: list[tuple[re.Pattern[bytes], _Reader]] = [
    (re.compile(rb"PAR1"), parquet_rows),
    (re.compile(b"|".join(map(re.escape, MO_MAGIC))), catalogue_rows),
    (re.compile(rb"\s*(#.*\n|\s)*msgid\s+\""), catalogue_rows),
    (re.compile(rb"\s*\{\s*\""), json_rows),
    (re.compile(rb"(?s)\s*(<\?xml.*?)?(<!.*?>\s*)*<tmx\b"), tmx_rows),
]


def file_rows(spec: str, wanted: Wanted, note: Note) -> Iterator[Row]:
    """Source, target and label of every pair in a file, or in two: ``FILE.en,FILE.de``.

    Raises ``CorpusError`` for what is no corpus, with file and line, also while rows are read, and
    ``NpformerError`` if a library is missing.
    """
    if two := named_files(spec):
        _say_that_columns_do_not_apply(spec, wanted, note)
        return aligned_rows([Content(path) for path in two], wanted, note)
    content = Content(Path(spec))
    if content.packing == ".zip":
        members = members_with_pairs(content, wanted)
        if len(members) > 1:
            _say_that_columns_do_not_apply(spec, wanted, note)
            return aligned_rows(members, wanted, note)
        content = members[0]
    reader = text_rows if wanted.text and is_plain(content) else _reader(content)
    if reader in (tmx_rows, catalogue_rows, text_rows):
        _say_that_columns_do_not_apply(spec, wanted, note)
    return reader(content, wanted, note)


def _say_that_columns_do_not_apply(spec: str, wanted: Wanted, note: Note) -> None:
    """No error: they may be those of the validation pairs, or of the training pairs."""
    if wanted.columns:
        note(f"{spec!r} has no columns, so --columns does not apply to it")


def _reader(content: Content) -> _Reader:
    if reader := _READERS.get(content.suffix):
        return reader
    head = content.head().removeprefix(b"\xef\xbb\xbf")
    return next((reader for start, reader in _BEGINNINGS if start.match(head)), table_rows)
