"""Pairs from two files with a sentence a line, as many lines in each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from npformer.errors import CorpusError
from npformer.files.content import Content
from npformer.files.lines import read_lines
from npformer.text.formats.languages import matches
from npformer.text.formats.wanted import Note, Row, Wanted


def named_files(spec: str) -> list[Path]:
    """The two paths of ``FILE.en,FILE.de``; none if ``spec`` is one file's.

    Raises ``CorpusError`` if it names three or an empty one.
    """
    if Path(spec).exists() or "," not in spec:
        return []
    names = spec.split(",")
    if len(names) != 2 or not all(names):
        raise CorpusError(f"{spec!r} names {len(names)} files; a pair is FILE.en,FILE.de")
    return [Path(name) for name in names]


def aligned_rows(files: Sequence[Content], wanted: Wanted, note: Note) -> Iterator[Row]:
    """The pairs of two files, source and target.

    Raises ``CorpusError``, once both are read, if one has more lines than the other.
    """
    suffixes = [file.suffix.lstrip(".") for file in files]
    if all(map(matches, suffixes, reversed(wanted.languages))):
        note(
            f"the source is {files[0].name} and the target {files[1].name}, though the languages "
            f"are {' and '.join(wanted.languages)}"
        )
    counts = [0, 0]
    for source, target in itertools.zip_longest(*map(read_lines, files)):
        counts[0] += source is not None
        counts[1] += target is not None
        if counts[0] == counts[1]:
            yield source, target, ""
    if counts[0] != counts[1]:
        raise CorpusError(
            f"the files must have as many lines as each other: {files[0].name} has {counts[0]:,}, "
            f"{files[1].name} has {counts[1]:,}"
        )
