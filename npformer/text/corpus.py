"""Sentence pairs: the built-in grammar, files, and Hugging Face datasets.

A corpus is named by a short text, the same on the command line and in ``DataConfig``:

=============================  ==================================================================
``grammar``                    the built-in English-German grammar
``FILE``                       a table of source, target and perhaps a label (where the pair is
                               from), or another of the formats in ``formats/__init__.py``
``FILE.txt``                   without a tab or ``|||``: a plain text, for models of language
``FILE.en,FILE.de``            two files with the same number of lines
``hf:NAME[/CONFIG][:SPLIT]``   a dataset by name, or a local directory (extra ``datasets``)
=============================  ==================================================================

A pair with an empty side is no translation; real corpora have such lines, so they are passed over
and counted (``empty``). What a reader decided by itself, such as which columns it took, is in
``notes``, for a person to see.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from npformer.config import DataConfig
from npformer.errors import CorpusError, nearest
from npformer.files.content import Content
from npformer.text.formats import Note, Row, Wanted, file_rows
from npformer.text.formats.plain import is_plain

GRAMMAR_PAIRS = 200_000
"""Training pairs that the grammar gives unless told how many."""
HELD_OUT = 1000
"""Pairs of a corpus that validate if nothing else does: so many, or 5 % if that is fewer."""

TAKEN, EMPTY, SHARED = "taken", "empty", "shared"
"""What becomes of a row: a training pair; a side is empty; validation has a sentence of it."""

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
    notes: tuple[str, ...] = ()
    """What reading it decided by itself, a sentence each."""

    def __len__(self) -> int:
        return len(self.source)


def load_corpus(data: DataConfig, *, text: bool = False) -> tuple[ParallelCorpus, ParallelCorpus]:
    """The training and the validation pairs that ``data`` names; of a plain ``text`` if it will do.

    Validation is what ``data.validation`` names; else the corpus's own validation split (the
    grammar, most datasets); else ``HELD_OUT`` pairs, spread evenly over the corpus, as a file may
    be sorted. Those follow its present length: a line more in the file, and they are others. A run
    keeps its own (``train.kept_validation``); who loads a corpus that grows keeps them too, and
    names their file as ``data.validation`` the next time.

    No training pair shares its source or its target sentence with validation: scores are of
    sentences never seen. ``data.pairs`` counts what is left. Raises ``CorpusError``.
    """
    validation = own_validation(data, text=text)
    if validation is None:
        notes: list[str] = []
        everything = _collect(training_rows(data, notes.append, text=text), data.corpus)
        held_out = held_out_rows(data.corpus, len(everything))
        validation = _part(everything, held_out)
        rest = _rows_of(_part(everything, sorted(set(range(len(everything))) - set(held_out))))
        train = _collect(rest, data.corpus, limit=data.pairs, apart_from=validation)
        return dataclasses.replace(train, empty=everything.empty, notes=tuple(notes)), validation
    notes = list(validation.notes)
    rows = training_rows(data, notes.append, text=text)
    train = _collect(rows, data.corpus, limit=data.pairs, apart_from=validation)
    return dataclasses.replace(train, notes=unique(notes)), validation


def own_validation(data: DataConfig, *, text: bool = False) -> ParallelCorpus | None:
    """The validation pairs that ``data`` names or its corpus has; None if they are held out."""
    spec = data.validation or data.corpus
    if not data.validation and not _has_validation(spec):
        return None
    notes: list[str] = []
    pairs = _collect(_rows(spec, "validation", 0, Wanted.by(data, text=text), notes.append), spec)
    return dataclasses.replace(pairs, notes=unique(notes))


def training_rows(
    data: DataConfig, note: Note = lambda sentence: None, *, text: bool = False
) -> Iterator[Row]:
    """Every row of the training corpus as it stands there; the grammar stops at ``data.pairs``.

    ``note`` hears what reading decides by itself. Raises ``CorpusError``.
    """
    return _rows(data.corpus, "train", data.pairs, Wanted.by(data, text=text), note)


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
    columns: str = "",
    text: bool = False,
) -> ParallelCorpus:
    """The pairs of one corpus, the first ``limit`` of them (0: all).

    ``split`` (``train``, ``validation`` or ``test``) chooses a part of the grammar, or of a
    dataset whose name gives none; a file has no parts. ``columns`` is as in ``DataConfig``,
    ``text`` as in ``load_corpus``. Raises ``CorpusError``.
    """
    notes: list[str] = []
    wanted = Wanted.of(source_language, target_language, columns)._replace(text=text)
    pairs = _collect(_rows(spec, split, limit, wanted, notes.append), spec, limit=limit)
    return dataclasses.replace(pairs, notes=unique(notes))


def has_splits(spec: str) -> bool:
    """Whether a corpus may have parts of its own: the grammar and datasets, no file."""
    return spec == "grammar" or _is_dataset(spec)


def is_plain_text(spec: str) -> bool:
    """Whether a corpus is a file of text without pairs."""
    if spec in ("", "grammar") or _is_dataset(spec):
        return False
    path = Path(spec.removeprefix("hf:"))
    return path.exists() and not path.is_dir() and is_plain(Content(path))


def _rows(spec: str, split: Split, limit: int, wanted: Wanted, note: Note) -> Iterator[Row]:
    if spec == "grammar":
        return _grammar_rows(split, limit)
    if _is_dataset(spec):
        from npformer.text.hub import dataset_rows

        return dataset_rows(spec, split, wanted)
    if spec.startswith("hf:"):
        return file_rows(spec.removeprefix("hf:"), wanted, note)
    if not Path(spec).exists() and not set("/.,") & set(spec):
        raise CorpusError(
            f"corpus {spec!r} does not exist; give grammar, a file (.tsv, .csv, .jsonl, .tmx, .po, "
            ".parquet, ...), FILE.en,FILE.de, or hf:NAME/CONFIG" + nearest(spec, ["grammar"])
        )
    return file_rows(spec, wanted, note)


def _is_dataset(spec: str) -> bool:
    return spec.startswith("hf:") and not Path(spec.removeprefix("hf:")).is_file()


def _has_validation(spec: str) -> bool:
    if _is_dataset(spec):
        from npformer.text.hub import has_split

        return has_split(spec, "validation")
    return spec == "grammar"


def _grammar_rows(split: Split, limit: int) -> Iterator[Row]:
    from npformer.data.grammar import generate

    count = limit or (GRAMMAR_PAIRS if split == "train" else HELD_OUT)
    for pair in generate(split, count, 0):
        yield pair.source, pair.target, "grammar"


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


def unique(notes: Iterable[str]) -> tuple[str, ...]:
    """The notes of all passes over a corpus, each once."""
    return tuple(dict.fromkeys(notes))


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
