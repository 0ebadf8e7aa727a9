"""Batches of sentence pairs of like length, within a budget of tokens.

The order of an epoch is a pure function of the pairs, the seed and the epoch's number: shuffle,
sort by length inside windows, cut each window where the budget is full, shuffle the batches. So
a run resumes from two numbers, and both engines see the same data.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from npformer.errors import ConfigError, CorpusError, TokenizerError
from npformer.text.corpus import ParallelCorpus
from npformer.text.packing import packed_places, packed_rows
from npformer.text.tokenizer import BOS, EOS, PAD, Tokenizer

_BATCHES_PER_WINDOW = 100  # enough that lengths agree, few enough that batches vary by epoch
_CHUNK = 8192  # sentences tokenized at once


@dataclass(frozen=True)
class Batch:
    """Token ids int64, padded on the right; B rows, S and T their longest sides."""

    inputs: dict[str, np.ndarray]
    """What the model's forward takes, by name: ``source`` (B, S) ids, EOS; ``target`` (B, T) BOS,
    ids. A model that reads the target alone has no source, and may have ``documents`` (B, T): of
    several texts in one row, the number of each token's; 0 for padding."""
    targets: np.ndarray
    """(B, T) ids, EOS: what follows each token of the target."""
    no_target: int = PAD
    """What stands in ``targets`` at padding, where there is no loss; no id that a text may have."""

    @classmethod
    def of_pairs(cls, source: np.ndarray, target: np.ndarray, targets: np.ndarray) -> Batch:
        """A batch of sentence pairs: (B, S), (B, T), (B, T)."""
        return cls({"source": source, "target": target}, targets)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def tokens(self) -> int:
        """Positions of ``targets`` that are not padding: the loss is their mean."""
        return int(np.count_nonzero(self.targets != self.no_target))

    def rows(self, part: slice) -> Batch:
        """Some of its rows, as views."""
        inputs = {name: ids[part] for name, ids in self.inputs.items()}
        return Batch(inputs, self.targets[part], self.no_target)


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


class Pairs(Protocol):
    """Tokenised pairs, in memory (``EncodedPairs``) or on disk (``ShardedPairs``)."""

    @property
    def begin(self) -> int:
        """The id that a target begins with."""
        ...

    @property
    def pad(self) -> int:
        """The id that fills a batch."""
        ...

    def __len__(self) -> int: ...

    def lengths(self) -> np.ndarray:
        """(pairs, 2) int: tokens of source and target as a batch holds them, EOS or BOS too."""
        ...

    def gather(self, rows: np.ndarray) -> tuple[Ragged, Ragged]:
        """Source and target of the pairs at ``rows``, in the order of ``rows``."""
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
    def _sides(self) -> tuple[_Column, _Column]:
        return _Column.of(self.source), _Column.of(self.target)


class _Column(NamedTuple):
    """Sequences one after the other: gathering some is several times faster than from a list."""

    ids: np.ndarray  # (ids of all,) int32
    starts: np.ndarray  # (sequences,)
    sizes: np.ndarray  # (sequences,)

    @classmethod
    def of(cls, sequences: Sequence[np.ndarray]) -> _Column:
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


SIDES = ("source", "target")
"""The streams of a model that translates; one of language alone has the target."""


def make_batch(
    pairs: Pairs, rows: np.ndarray, streams: Collection[str] = SIDES, no_target: int = PAD
) -> Batch:
    """The pairs at ``rows`` as one padded batch, of the sides that are ``streams`` of a model."""
    sources, targets = pairs.gather(rows)
    source_ends, target_ends = pairs.ends(rows)
    lines = np.arange(len(rows))
    inputs = {}
    if "source" in streams:
        inputs["source"] = source = sources.padded(pairs.pad)  # (B, S)
        source[lines, sources.sizes] = source_ends
    target_out = targets.padded(no_target)  # (B, T)
    inputs["target"] = target_in = np.empty_like(target_out)
    target_in[:, 0] = pairs.begin
    target_in[:, 1:] = targets.padded(pairs.pad)[:, :-1]
    target_out[lines, targets.sizes] = target_ends
    return Batch(inputs, target_out, no_target)


def make_packed_batch(pairs: Pairs, rows: np.ndarray, width: int, no_target: int = PAD) -> Batch:
    """The targets of the pairs at ``rows``, as many in a row of ``width`` tokens as go into it."""
    _, targets = pairs.gather(rows)
    sizes = targets.sizes + 1
    row, column, number = packed_places(sizes, width)
    shape = int(row.max(initial=-1)) + 1, int((column + sizes).max(initial=0))
    where = np.repeat(row, sizes), spans(column, sizes)
    ends = np.cumsum(sizes) - 1  # of each text, among the tokens of all
    asked = np.empty(int(sizes.sum()), np.int64)
    asked[ends] = pairs.ends(rows)[1]
    asked[np.delete(np.arange(len(asked)), ends)] = targets.ids
    read = np.empty_like(asked)
    read[1:] = asked[:-1]
    read[ends - sizes + 1] = pairs.begin
    target_in, target_out, documents = np.full((3, *shape), PAD, np.int64)
    target_in.fill(pairs.pad)
    target_out.fill(no_target)
    target_in[where], target_out[where], documents[where] = read, asked, np.repeat(number, sizes)
    return Batch({"target": target_in, "documents": documents}, target_out, no_target)


def evaluation_batches(
    pairs: Pairs,
    batch_tokens: int,
    streams: Collection[str] = SIDES,
    *,
    no_target: int = PAD,
) -> list[Batch]:
    """Every pair once, from the shortest to the longest, for looking and not for training.

    A pair that is longer than the budget is a batch of its own: every pair is measured.
    """
    batches = in_batches(pairs, batch_tokens, streams)
    return [make_batch(pairs, rows, streams, no_target) for rows in batches]


def in_batches(
    pairs: Pairs, batch_tokens: int, streams: Collection[str] = SIDES
) -> list[np.ndarray]:
    """The rows of each batch of ``evaluation_batches``."""
    lengths = _lengths(pairs, streams)
    return _cut(_by_length(lengths, np.arange(len(pairs))), lengths, batch_tokens)


def _lengths(pairs: Pairs, streams: Collection[str]) -> np.ndarray:
    """(pairs, streams) tokens of the sides that a model reads."""
    return pairs.lengths()[:, [SIDES.index(side) for side in SIDES if side in streams]]


class Batches:
    """The batches of every epoch; a position in them is ``(epoch, index)``, both from 0.

    A batch of B pairs, the longest of whose sides has L tokens, has ``B * L <= batch_tokens``; the
    budget counts padding, and EOS or BOS, of the sides that are ``streams`` of the model. Raises
    ``ConfigError`` if a pair alone is longer than the budget, for it could be in no batch.

    With ``pack``, the targets alone, which must not be longer, are put together in rows of that
    many tokens (``packing.py``), of which a batch has as many as the budget allows. ``no_target``
    is what their targets have at padding.
    """

    def __init__(
        self,
        pairs: Pairs,
        batch_tokens: int,
        seed: int,
        streams: Collection[str] = SIDES,
        *,
        pack: int = 0,
        no_target: int = PAD,
    ) -> None:
        self.pairs = pairs
        self.batch_tokens = batch_tokens
        self.seed = seed
        self.streams = streams
        self.pack = min(pack, batch_tokens)
        self.no_target = no_target
        self._lengths = _lengths(pairs, streams)
        if not len(pairs):
            raise CorpusError("there is no pair to make batches of")
        if (longest := int(self._lengths.max())) > batch_tokens:
            raise ConfigError(
                f"batch_tokens is {batch_tokens}, but the longest sentence has {longest} tokens; "
                f"raise batch_tokens to {longest} or more, or lower max_length"
            )

    def epoch(self, number: int) -> list[np.ndarray]:
        """The rows of each batch of an epoch: every pair is in exactly one of them."""
        rng = np.random.default_rng([self.seed, number])
        order = rng.permutation(len(self.pairs))
        mean = self._lengths.max(axis=1).mean()
        window = max(1, int(_BATCHES_PER_WINDOW * self.batch_tokens / mean))
        batches: list[np.ndarray] = []
        for start in range(0, len(order), window):
            rows = order[start : start + window]
            batches += self._packed(rows, rng) if self.pack else self._padded(rows)
        return [batches[i] for i in rng.permutation(len(batches))]

    def batch(self, rows: np.ndarray) -> Batch:
        """The pairs at ``rows``, padded or packed."""
        if self.pack:
            return make_packed_batch(self.pairs, rows, self.pack, self.no_target)
        return make_batch(self.pairs, rows, self.streams, self.no_target)

    def _padded(self, rows: np.ndarray) -> list[np.ndarray]:
        return _cut(_by_length(self._lengths, rows), self._lengths, self.batch_tokens)

    def _packed(self, rows: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        packed = packed_rows(rows, self._lengths[rows, 0], self.pack)
        shuffled = [packed[row] for row in rng.permutation(len(packed))]
        size = self.batch_tokens // self.pack
        return [
            np.concatenate(shuffled[start : start + size])
            for start in range(0, len(shuffled), size)
        ]


def _by_length(lengths: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``rows`` by their longer side, then by their shorter one; ties stay in order."""
    of_rows = lengths[rows]
    return rows[np.lexsort((of_rows.min(axis=1), of_rows.max(axis=1)))]


def _cut(rows: np.ndarray, lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Cut rows of growing length into batches within the budget."""
    longest = lengths[rows].max(axis=1).astype(np.int64)
    batches = []
    start = 0
    while start < len(rows):
        # No pair of the batch is shorter than its first, so more pairs than these never fit.
        ahead = longest[start : start + max(1, batch_tokens // int(longest[start]))]
        fits = np.arange(1, ahead.size + 1) * ahead <= batch_tokens  # true, and from some pair not
        end = start + max(1, int(np.count_nonzero(fits)))
        batches.append(rows[start:end])
        start = end
    return batches
