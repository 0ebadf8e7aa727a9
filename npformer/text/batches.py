"""Batches of sentence pairs of like length, within a budget of tokens.

The order of an epoch is a pure function of the pairs, the seed and the epoch's number: shuffle,
sort by length inside windows, cut each window where the budget is full, shuffle the batches. So
a run resumes from two numbers, and both engines see the same data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from npformer.errors import ConfigError, CorpusError
from npformer.text.corpus import ParallelCorpus
from npformer.text.tokenizer import BOS, EOS, PAD, Tokenizer

_BATCHES_PER_WINDOW = 100  # enough that lengths agree, few enough that batches vary by epoch
_CHUNK = 8192  # sentences tokenized at once


class Batch(NamedTuple):
    """Token ids, padded on the right with ``PAD``; B pairs, S and T their longest sides."""

    source: np.ndarray  # (B, S) int64: ids, EOS
    target_in: np.ndarray  # (B, T) int64: BOS, ids
    target_out: np.ndarray  # (B, T) int64: ids, EOS: what follows each token of target_in

    @property
    def tokens(self) -> int:
        """Positions of ``target_out`` that are not padding: the loss is their mean."""
        return int(np.count_nonzero(self.target_out != PAD))


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as ids without special tokens, and how many were too long to keep."""

    source: list[np.ndarray]  # each (length,) int32
    target: list[np.ndarray]  # each (length,) int32
    left_out: int = 0
    """Pairs of which a side is longer than the limit."""
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(pairs,) int64: where in the corpus each pair was."""

    def __len__(self) -> int:
        return len(self.source)

    def lengths(self) -> np.ndarray:
        """(pairs, 2) int64: tokens of source and target as a batch holds them, EOS or BOS too."""
        sides = [[ids.size + 1 for ids in side] for side in (self.source, self.target)]
        return np.array(sides, np.int64).reshape(2, -1).T


def encode_pairs(corpus: ParallelCorpus, tokenizer: Tokenizer, max_length: int) -> EncodedPairs:
    """Tokenize a corpus; leave out, and count, pairs with a side over ``max_length`` tokens.

    A side's length includes its EOS (or BOS), so no batch is ever longer than ``max_length``.
    Raises ``CorpusError`` if no pair is short enough.
    """
    source: list[np.ndarray] = []
    target: list[np.ndarray] = []
    rows: list[int] = []
    for start in range(0, len(corpus), _CHUNK):
        sides = (corpus.source[start : start + _CHUNK], corpus.target[start : start + _CHUNK])
        encoded = zip(*map(tokenizer.encode_batch, sides), strict=True)
        for row, (s, t) in enumerate(encoded, start):
            if max(len(s), len(t)) < max_length:
                source.append(np.array(s, np.int32))
                target.append(np.array(t, np.int32))
                rows.append(row)
    if not rows:
        raise CorpusError(
            f"none of the {len(corpus):,} pairs fits into max_length, {max_length} tokens; "
            "raise max_length"
        )
    return EncodedPairs(source, target, len(corpus) - len(rows), np.array(rows, np.int64))


def make_batch(pairs: EncodedPairs, rows: np.ndarray) -> Batch:
    """The pairs at ``rows`` as one padded batch."""
    source = _padded([pairs.source[row] for row in rows])
    target_in = _padded([pairs.target[row] for row in rows])
    target_out = target_in.copy()
    for line, row in enumerate(rows):
        source[line, pairs.source[row].size] = EOS
        target_out[line, pairs.target[row].size] = EOS
    target_in[:, 1:] = target_in[:, :-1]
    target_in[:, 0] = BOS
    return Batch(source, target_in, target_out)


def evaluation_batches(pairs: EncodedPairs, batch_tokens: int) -> list[Batch]:
    """Every pair once, from the shortest to the longest, for looking and not for training.

    A pair that is longer than the budget is a batch of its own: every pair is measured.
    """
    lengths = pairs.lengths()
    order = _by_length(lengths, np.arange(len(pairs)))
    return [make_batch(pairs, rows) for rows in _cut(order, lengths, batch_tokens)]


class Batches:
    """The batches of every epoch; a position in them is ``(epoch, index)``, both from 0.

    A batch of B pairs, the longest of whose sides has L tokens, satisfies
    ``B * L <= batch_tokens``; the budget counts padding, and EOS or BOS. Raises ``ConfigError``
    if a pair alone is longer than the budget, for it could be in no batch.
    """

    def __init__(self, pairs: EncodedPairs, batch_tokens: int, seed: int) -> None:
        self.pairs = pairs
        self.batch_tokens = batch_tokens
        self.seed = seed
        self._lengths = pairs.lengths()
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
            rows = _by_length(self._lengths, order[start : start + window])
            batches += _cut(rows, self._lengths, self.batch_tokens)
        return [batches[i] for i in rng.permutation(len(batches))]

    def batch(self, rows: np.ndarray) -> Batch:
        """The pairs at ``rows``, padded."""
        return make_batch(self.pairs, rows)


def _padded(sequences: list[np.ndarray]) -> np.ndarray:
    """(B, longest + 1) int64; the last column leaves room for EOS."""
    block = np.full((len(sequences), max((s.size for s in sequences), default=0) + 1), PAD)
    for line, sequence in zip(block, sequences, strict=True):
        line[: sequence.size] = sequence
    return block


def _by_length(lengths: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``rows`` by their longer side, then by their shorter one; ties stay in order."""
    of_rows = lengths[rows]
    return rows[np.lexsort((of_rows.min(axis=1), of_rows.max(axis=1)))]


def _cut(rows: np.ndarray, lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Cut rows of growing length into batches within the budget."""
    longest = lengths[rows].max(axis=1)
    batches = []
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or (end - start + 1) * longest[end] > batch_tokens:
            batches.append(rows[start:end])
            start = end
    return batches
