"""The training pairs of a corpus as a stream: read afresh at each pass, never all in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from npformer.config import DataConfig
from npformer.text.corpus import (
    EMPTY,
    SHARED,
    TAKEN,
    ParallelCorpus,
    held_out_rows,
    no_pairs,
    own_validation,
    sift,
    training_rows,
    unique,
)

HELD_OUT = "held out"
"""What becomes of a row that validates, where the corpus has no validation of its own."""

_OFTEN = 10_000  # rows between two calls of a progress function


class StreamedRow(NamedTuple):
    """One row of the corpus, and what becomes of it."""

    source: str
    target: str
    verdict: str
    """``TAKEN``, ``EMPTY``, ``SHARED`` or ``HELD_OUT``."""


class Counts(NamedTuple):
    """What a whole pass over the stream finds."""

    rows: int
    """Rows read, to the last that training takes."""
    taken: int


class PairStream:
    """What ``load_corpus`` gives for ``data``, without holding more than the validation pairs.

    Iterating reads the corpus from its start and gives every row of it, so that a place in the
    corpus is one number; those whose verdict is ``TAKEN`` are ``load_corpus``'s training pairs, in
    its order. Where validation is held out, making the stream takes two passes of its own. Raises
    ``CorpusError``, also while it is read.
    """

    def __init__(self, data: DataConfig) -> None:
        self._data = data
        self._notes: list[str] = []
        self._held_out: list[int] = []  # counted over the pairs without an empty side
        validation = own_validation(data)
        if validation is None:
            pairs = sum(row[3] != EMPTY for row in self._sifted(ParallelCorpus()))
            self._held_out = held_out_rows(data.corpus, pairs)
            validation = ParallelCorpus()
            for source, target, tag, verdict in self._sifted(ParallelCorpus()):
                if verdict == HELD_OUT:
                    validation.source.append(source)
                    validation.target.append(target)
                    validation.tags.append(tag)
        self.validation = validation

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading decided by itself, as far as it has come: ``ParallelCorpus.notes``."""
        return unique((*self.validation.notes, *self._notes))

    def __iter__(self) -> Iterator[StreamedRow]:
        taken = 0
        for source, target, _, verdict in self._sifted(self.validation):
            yield StreamedRow(source, target, verdict)
            taken += verdict == TAKEN
            if taken == self._data.pairs and taken:
                return

    def count(self, progress: Callable[[int], None] = lambda rows: None) -> Counts:
        """Read it once. ``progress`` hears the rows so far. Raises CorpusError if none is taken."""
        counts = dict.fromkeys((TAKEN, EMPTY, SHARED, HELD_OUT), 0)
        rows = 0
        for rows, row in enumerate(self, 1):
            counts[row.verdict] += 1
            if rows % _OFTEN == 0:
                progress(rows)
        if not counts[TAKEN]:
            raise no_pairs(self._data.corpus, counts[EMPTY], counts[SHARED])
        return Counts(rows, counts[TAKEN])

    def texts(self, most: int, taken: int) -> Iterator[str]:
        """Both sides of ``most`` of the ``taken`` pairs, spread evenly; of all if they are fewer.

        A corpus may be sorted by where its pairs are from, so its first pairs are no sample.
        """
        most = min(most, taken)
        pairs = (row for row in self if row.verdict == TAKEN)
        for number, row in enumerate(itertools.islice(pairs, taken)):
            if (number + 1) * most // taken > number * most // taken:
                yield row.source
                yield row.target

    def _sifted(self, apart_from: ParallelCorpus) -> Iterator[tuple[str, str, str, str]]:
        """As ``sift``, but the rows held out say so."""
        held_out = iter(self._held_out)
        waiting = next(held_out, None)
        number = 0
        for source, target, tag, verdict in self._read(apart_from):
            if verdict != EMPTY:
                if number == waiting:
                    verdict, waiting = HELD_OUT, next(held_out, None)
                number += 1
            yield source, target, tag, verdict

    def _read(self, apart_from: ParallelCorpus) -> Iterator[tuple[str, str, str, str]]:
        return sift(training_rows(self._data, self._notes.append), apart_from)
