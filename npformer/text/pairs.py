"""Sentence pairs, and texts, as ids: what batches are made of.

A pair is kept without its special tokens, and beside it what begins and ends it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from npformer.errors import CorpusError, TokenizerError
from npformer.text.corpus import ParallelCorpus
from npformer.text.tokenizer import BOS, EOS, PAD, Tokenizer

_CHUNK = 8192  # sentences tokenized at once


class Ragged(NamedTuple):
    """Some sequences of ids, one after the other."""

    ids: np.ndarray  # (ids of all,)
    sizes: np.ndarray  # (B,) how many of them each sequence has

    def padded(self, fill: int) -> np.ndarray:
        """(B, longest + 1) int64, ``fill`` on the right; the last column leaves room for an end."""
        width = int(self.sizes.max(initial=0)) + 1
        block = np.full((len(self.sizes), width), fill, np.int64)
        block[np.arange(width) < self.sizes[:, None]] = self.ids
        return block


class Sequences(Protocol):
    """What batches are ordered by: units, such as pairs, of which each has two sides."""

    def __len__(self) -> int: ...

    def lengths(self) -> np.ndarray:
        """(units, 2) int: tokens of source and target as a batch holds them, EOS or BOS too."""
        ...

    def gather(self, rows: np.ndarray) -> tuple[Ragged, Ragged]:
        """Source and target of the units at ``rows``, in the order of ``rows``."""
        ...


class Pairs(Sequences, Protocol):
    """Tokenised pairs, in memory (``EncodedPairs``) or on disk (``ShardedPairs``)."""

    @property
    def begin(self) -> int:
        """The id that a target begins with."""
        ...

    @property
    def pad(self) -> int:
        """The id that fills a batch."""
        ...

    def ends(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(rows,) twice: the id that ends each source, and the one that follows each target.

        The latter is an end too, or what comes next if a text was cut there.
        """
        ...


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as ids without special tokens, and how many were too long to keep."""

    source: list[np.ndarray]  # each (length,) int32
    target: list[np.ndarray]  # each (length,) int32
    left_out: int = 0
    """Pairs of which a side is longer than the limit."""
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(pairs,) int64: where in the corpus each pair was."""
    following: np.ndarray | None = None
    """(pairs,) int64: the id after each target, where texts were cut; EOS after all if None."""
    begin: int = BOS
    """The id that a target begins with."""
    source_ends: np.ndarray | None = None
    """(pairs,) int64: the last id of each source; EOS of all if None."""
    pad: int = PAD
    """The id that fills a batch."""
    beside: int = 1
    """Ids that a batch holds of each side beside those of its text."""

    def __len__(self) -> int:
        return len(self.source)

    def lengths(self) -> np.ndarray:
        """(pairs, 2) int64: tokens of source and target as a batch holds them, EOS or BOS too."""
        return np.stack([side.sizes + self.beside for side in self._sides], axis=1)

    def gather(self, rows: np.ndarray) -> tuple[Ragged, Ragged]:
        """Source and target of the pairs at ``rows``, in the order of ``rows``."""
        source, target = (side.gather(np.asarray(rows, np.int64)) for side in self._sides)
        return source, target

    def ends(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(rows,) twice: the id that ends each source, and the one that follows each target."""
        usual = np.full(len(rows), EOS)
        source, target = (
            usual if each is None else each[rows] for each in (self.source_ends, self.following)
        )
        return source, target

    @functools.cached_property
    def _sides(self) -> tuple[Column, Column]:
        return Column.of(self.source), Column.of(self.target)


class Column(NamedTuple):
    """Sequences one after the other: gathering some is several times faster than from a list."""

    ids: np.ndarray  # (ids of all,) int32
    starts: np.ndarray  # (sequences,)
    sizes: np.ndarray  # (sequences,)

    @classmethod
    def of(cls, sequences: Sequence[np.ndarray]) -> Column:
        sizes = np.array([sequence.size for sequence in sequences], np.int64)
        ids = np.concatenate([np.zeros(0, np.int32), *sequences]).astype(np.int32)
        return cls(ids, np.cumsum(sizes) - sizes, sizes)

    def gather(self, rows: np.ndarray) -> Ragged:
        sizes = self.sizes[rows]
        return Ragged(self.ids[spans(self.starts[rows], sizes)], sizes)


def spans(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(sum of sizes,) start, start + 1, ..., start + size - 1 of each span, span after span."""
    ends = np.cumsum(sizes)
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(ends[-1] if ends.size else 0)


def encode_pairs(
    corpus: ParallelCorpus, tokenizer: Tokenizer, max_length: int, pad: int = PAD
) -> EncodedPairs:
    """Tokenize a corpus; leave out, and count, pairs with a side over ``max_length`` tokens.

    A side's length includes what stands around it, EOS (or BOS), so no batch is ever longer than
    ``max_length``; ``pad`` is the id that fills one. Raises ``CorpusError`` if no pair is short
    enough, ``TokenizerError`` for a tokenizer without an id that ends a text.
    """
    begin, *before = tokenizer.opening
    if not tokenizer.last:
        raise TokenizerError("this model has no id that ends a text; it cannot learn to end one")
    *after, end = tokenizer.last
    source_ends: list[int] = []
    source: list[np.ndarray] = []
    target: list[np.ndarray] = []
    rows: list[int] = []
    for start in range(0, len(corpus), _CHUNK):
        sides = (corpus.source[start : start + _CHUNK], corpus.target[start : start + _CHUNK])
        sources, targets = tokenizer.encode_batch(sides[0]), tokenizer.encode_written(sides[1])
        for row, (s, t) in enumerate(zip(sources, targets, strict=True), start):
            read, written = tokenizer.source(s), [*before, *t, *after]
            if read and len(read) <= max_length and len(written) < max_length:
                source.append(np.array(read[:-1], np.int32))
                source_ends.append(read[-1])
                target.append(np.array(written, np.int32))
                rows.append(row)
    if not rows:
        raise CorpusError(
            f"none of the {len(corpus):,} pairs fits into max_length, {max_length} tokens; "
            "raise max_length"
        )
    return EncodedPairs(
        source,
        target,
        len(corpus) - len(rows),
        np.array(rows, np.int64),
        np.full(len(rows), end),
        begin,
        np.array(source_ends, np.int64),
        pad,
    )


def encode_texts(
    corpus: ParallelCorpus,
    tokenizer: Tokenizer,
    max_length: int,
    close: Sequence[int] | None = None,
) -> EncodedPairs:
    """Tokenize the targets of a corpus alone, those over ``max_length`` tokens in pieces.

    A piece is asked for the token after its last, which the next one then passes over: so every
    token of a text is asked for once, and ``close`` where the text ends, the tokenizer's own
    unless given.
    """
    close = tokenizer.close if close is None else close
    pieces: list[np.ndarray] = []
    rows: list[int] = []
    following: list[int] = []
    for start in range(0, len(corpus), _CHUNK):
        encoded = tokenizer.encode_batch(corpus.target[start : start + _CHUNK])
        for row, ids in enumerate(encoded, start):
            asked = [*ids, *close]
            for at in range(0, len(asked), max_length):
                *piece, end = asked[at : at + max_length]
                pieces.append(np.array(piece, np.int32))
                rows.append(row)
                following.append(end)
    sources = [np.zeros(0, np.int32)] * len(pieces)
    ends = np.array(following, np.int64)
    return EncodedPairs(sources, pieces, 0, np.array(rows, np.int64), ends, tokenizer.first)
