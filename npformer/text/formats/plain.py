"""Documents of a plain text, for models of language: its paragraphs, or its lines.

Where blank lines separate paragraphs, a paragraph is a document and keeps its line breaks; where
there are none, as in a list of names, each line is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from npformer.files.content import Content
from npformer.files.lines import read_lines
from npformer.text.formats.wanted import Note, Row, Wanted

SUFFIXES = (".txt", ".text", ".md")


def is_plain(content: Content) -> bool:
    """Whether a file is named as a text is, and its first lines have no two cells."""
    if content.suffix not in SUFFIXES or content.packing == ".zip":
        return False
    head = content.head()
    return b"\t" not in head and b"|||" not in head


def text_rows(content: Content, wanted: Wanted, note: Note) -> Iterator[Row]:
    """Each document twice, as source and as target. Raises ``CorpusError``."""
    text = "\n".join(line.rstrip() for line in read_lines(content)).strip("\n")
    kind, between = ("paragraph", r"\n{2,}") if "\n\n" in text else ("line", r"\n")
    note(f"{content.name} is plain text, in which each {kind} is a document")
    for document in re.split(between, text):
        yield document, document, ""
