"""Sentence pairs: the built-in grammar, files, and Hugging Face datasets.

A corpus is named by a short text, the same on the command line and in ``DataConfig``:

=============================  ==================================================================
``grammar``                    the built-in English-German grammar
``FILE``                       one pair a line: source, tab, target, and perhaps another tab and
                               a tag (where the pair is from); further columns are ignored
``FILE.en,FILE.de``            two files with the same number of lines
``hf:NAME[/CONFIG][:SPLIT]``   a dataset by name, or a local directory (extra ``datasets``)
=============================  ==================================================================

Files are UTF-8, plain or compressed (``.gz``, ``.xz``). A pair with an empty side is no
translation; real corpora have such lines, so they are passed over and counted (``empty``).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from npformer.config import DataConfig
from npformer.errors import CorpusError, nearest
from npformer.files.lines import read_lines

GRAMMAR_PAIRS = 200_000
"""Training pairs that the grammar gives unless told how many."""
HELD_OUT = 1000
"""Pairs at the end of a corpus that validate if nothing else does: these, or 5 % if fewer."""

TAKEN, EMPTY, SHARED = "taken", "empty", "shared"
"""What becomes of a row: a training pair; a side is empty; validation has a sentence of it."""

Row = tuple[str, str, str]
Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class ParallelCorpus:
    """Sentences and their translations, in order; ``source[i]`` belongs to ``target[i]``."""

    source: list[str] = field(default_factory=list)
    target: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    """Where each pair is from; empty text if the corpus does not say."""
    empty: int = 0
    """Pairs passed over because a side is empty."""
    shared: int = 0
    """Training pairs passed over because validation has their source or target too."""

    def __len__(self) -> int:
        return len(self.source)


def load_corpus(data: DataConfig) -> tuple[ParallelCorpus, ParallelCorpus]:
    """The training and the validation pairs that ``data`` names.

    Validation is what ``data.validation`` names; else the corpus's own validation split (the
    grammar, most datasets); else ``HELD_OUT`` pairs, spread evenly over the corpus, as a file may
    be sorted. No training pair shares its source or its target sentence with validation: scores
    are of sentences never seen. ``data.pairs`` counts what is left. Raises ``CorpusError``.
    """
    validation = own_validation(data)
    if validation is None:
        everything = _collect(training_rows(data), data.corpus)
        held_out = held_out_rows(data.corpus, len(everything))
        validation = _part(everything, held_out)
        rest = _rows_of(_part(everything, sorted(set(range(len(everything))) - set(held_out))))
        train = _collect(rest, data.corpus, limit=data.pairs, apart_from=validation)
        return dataclasses.replace(train, empty=everything.empty), validation
    rows = training_rows(data)
    return _collect(rows, data.corpus, limit=data.pairs, apart_from=validation), validation


def own_validation(data: DataConfig) -> ParallelCorpus | None:
    """The validation pairs that ``data`` names or its corpus has; None if they are held out."""
    languages = (data.source_language, data.target_language)
    spec = data.validation or data.corpus
    if not data.validation and not _has_validation(spec):
        return None
    return _collect(_rows(spec, "validation", 0, languages), spec)


def training_rows(data: DataConfig) -> Iterator[Row]:
    """Every row of the training corpus as it stands there; the grammar stops at ``data.pairs``.

    Raises ``CorpusError``.
    """
    languages = (data.source_language, data.target_language)
    return _rows(data.corpus, "train", data.pairs, languages)


def held_out_rows(spec: str, count: int) -> list[int]:
    """Which of the ``count`` pairs of a corpus validate: ``HELD_OUT`` of them, spread evenly.

    Raises ``CorpusError`` if none would be left to train on.
    """
    held_out = min(HELD_OUT, max(1, count // 20))
    if count <= held_out:
        raise CorpusError(f"{spec!r} holds one pair; training and validation need two or more")
    return [(2 * row + 1) * count // (2 * held_out) for row in range(held_out)]


def read_pairs(
    spec: str,
    *,
    split: Split = "train",
    limit: int = 0,
    source_language: str = "en",
    target_language: str = "de",
) -> ParallelCorpus:
    """The pairs of one corpus, the first ``limit`` of them (0: all).

    ``split`` (``train``, ``validation`` or ``test``) chooses a part of the grammar, or of a
    dataset whose name gives none; a file has no parts. Raises ``CorpusError``.
    """
    rows = _rows(spec, split, limit, (source_language, target_language))
    return _collect(rows, spec, limit=limit)


def _rows(spec: str, split: Split, limit: int, languages: tuple[str, str]) -> Iterator[Row]:
    if spec == "grammar":
        return _grammar_rows(split, limit)
    if spec.startswith("hf:"):
        from npformer.text.hub import dataset_rows

        return dataset_rows(spec, split, languages)
    if not Path(spec).exists() and "," in spec:
        return _aligned_rows(spec)
    if not Path(spec).exists() and "/" not in spec and "." not in spec:
        raise CorpusError(
            f"corpus {spec!r} does not exist; give grammar, a .tsv file, FILE.en,FILE.de, or "
            "hf:NAME/CONFIG" + nearest(spec, ["grammar"])
        )
    return _tabbed_rows(Path(spec))


def _has_validation(spec: str) -> bool:
    if spec.startswith("hf:"):
        from npformer.text.hub import has_split

        return has_split(spec, "validation")
    return spec == "grammar"


def _grammar_rows(split: Split, limit: int) -> Iterator[Row]:
    from npformer.data.grammar import generate

    count = limit or (GRAMMAR_PAIRS if split == "train" else HELD_OUT)
    for pair in generate(split, count, 0):
        yield pair.source, pair.target, "grammar"


def _tabbed_rows(path: Path) -> Iterator[Row]:
    columns = 0
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            yield "", "", ""
            continue
        cells = line.split("\t")
        columns = columns or len(cells)
        if len(cells) < 2:
            raise CorpusError(
                f"{str(path)!r}: line {number} has 1 column; a line is source, tab, target"
            )
        if len(cells) != columns:
            raise CorpusError(
                f"{str(path)!r}: line {number} has {len(cells)} columns, those before it {columns}"
            )
        yield cells[0], cells[1], cells[2] if columns > 2 else ""


def _aligned_rows(spec: str) -> Iterator[Row]:
    names = spec.split(",")
    if len(names) != 2 or not all(names):
        raise CorpusError(f"{spec!r} names {len(names)} files; a pair is FILE.en,FILE.de")
    counts = [0, 0]
    for pair in itertools.zip_longest(*(read_lines(Path(name)) for name in names)):
        for side, line in enumerate(pair):
            counts[side] += line is not None
        if counts[0] == counts[1]:
            yield pair[0], pair[1], ""
    if counts[0] != counts[1]:
        raise CorpusError(
            f"the files must have as many lines as each other: {names[0]!r} has {counts[0]:,}, "
            f"{names[1]!r} has {counts[1]:,}"
        )


def _collect(
    rows: Iterable[Row], spec: str, *, limit: int = 0, apart_from: ParallelCorpus | None = None
) -> ParallelCorpus:
    kept = ParallelCorpus()
    counts = {EMPTY: 0, SHARED: 0}
    for source, target, tag, verdict in sift(rows, apart_from or ParallelCorpus()):
        if verdict != TAKEN:
            counts[verdict] += 1
            continue
        kept.source.append(source)
        kept.target.append(target)
        kept.tags.append(tag)
        if len(kept) == limit:
            break
    if not kept:
        raise no_pairs(spec, counts[EMPTY], counts[SHARED])
    return dataclasses.replace(kept, empty=counts[EMPTY], shared=counts[SHARED])


def sift(rows: Iterable[Row], apart_from: ParallelCorpus) -> Iterator[tuple[str, str, str, str]]:
    """Source, target, tag and verdict of each row: ``TAKEN``, ``EMPTY``, or ``SHARED``.

    Sentences lose the white space around them; ``SHARED`` has a sentence of ``apart_from``.
    """
    sources, targets = set(apart_from.source), set(apart_from.target)
    for source, target, tag in rows:
        source, target = source.strip(), target.strip()
        if not source or not target:
            verdict = EMPTY
        elif source in sources or target in targets:
            verdict = SHARED
        else:
            verdict = TAKEN
        yield source, target, tag, verdict


def no_pairs(spec: str, empty: int, shared: int) -> CorpusError:
    """The error of a corpus that leaves nothing to train on."""
    return CorpusError(
        f"{spec!r} gives no pair: {empty:,} have an empty side"
        + (f", and validation has a sentence of the other {shared:,}" if shared else "")
    )


def _part(corpus: ParallelCorpus, rows: Sequence[int]) -> ParallelCorpus:
    source, target, tags = (
        [column[row] for row in rows] for column in (corpus.source, corpus.target, corpus.tags)
    )
    return ParallelCorpus(source, target, tags)


def _rows_of(corpus: ParallelCorpus) -> Iterator[Row]:
    return zip(corpus.source, corpus.target, corpus.tags, strict=True)
