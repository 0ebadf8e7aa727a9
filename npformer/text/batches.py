"""Batches of sentence pairs of like length, within a budget of tokens.

The order of an epoch is a pure function of the pairs, the seed and the epoch's number: shuffle,
sort by length inside windows, cut each window where the budget is full, shuffle the batches. So
a run resumes from two numbers, and both engines see the same data.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from npformer.errors import ConfigError, CorpusError
from npformer.text.packing import packed_places, packed_rows
from npformer.text.pairs import Pairs, Sequences, spans
from npformer.text.tokenizer import PAD

_BATCHES_PER_WINDOW = 100  # enough that lengths agree, few enough that batches vary by epoch


@dataclass(frozen=True)
class Batch:
    """Token ids int64, padded on the right; B rows, S and T their longest sides."""

    inputs: dict[str, np.ndarray]
    """What the model's forward takes, by name: ``source`` (B, S) ids, EOS; ``target`` (B, T) BOS,
    ids. A model that reads the target alone has no source, and may have ``documents`` (B, T): of
    several texts in one row, the number of each token's; 0 for padding."""
    targets: np.ndarray
    """(B, T) ids, EOS: what follows each token of the target. Or (B, D) floats, of a model that
    gives vectors and no logits: their gradient, the loss being the sum of both's products."""
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

    @property
    def units(self) -> int:
        """What the loss is the mean of: tokens, unless something else is judged."""
        return self.tokens

    @property
    def lengths(self) -> np.ndarray:
        """(B,) how many tokens of each row's target are read."""
        return np.asarray((self.targets != self.no_target).sum(axis=1))

    @property
    def about(self) -> dict[str, np.ndarray]:
        """What a loss reads beside the targets, by name."""
        return {}

    def rows(self, part: slice) -> Batch:
        """Some of its rows, as views."""
        inputs = {name: ids[part] for name, ids in self.inputs.items()}
        return Batch(inputs, self.targets[part], self.no_target)


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
    pairs: Sequences, batch_tokens: int, streams: Collection[str] = SIDES
) -> list[np.ndarray]:
    """The rows of each batch of ``evaluation_batches``."""
    lengths = _lengths(pairs, streams)
    return _cut(_by_length(lengths, np.arange(len(pairs))), lengths, batch_tokens)


def _lengths(pairs: Sequences, streams: Collection[str]) -> np.ndarray:
    """(pairs, streams) tokens of the sides that a model reads."""
    return pairs.lengths()[:, [SIDES.index(side) for side in SIDES if side in streams]]


class Order:
    """The rows of the batches of every epoch; a position is ``(epoch, index)``, both from 0.

    A batch of B pairs, the longest of whose sides has L tokens, has ``B * L <= batch_tokens``; the
    budget counts padding, and EOS or BOS, of the sides that are ``streams`` of the model. Raises
    ``ConfigError`` if a pair alone is longer than the budget, for it could be in no batch.
    """

    def __init__(
        self, pairs: Sequences, batch_tokens: int, seed: int, streams: Collection[str] = SIDES
    ) -> None:
        self.pairs = pairs
        self.batch_tokens = batch_tokens
        self.seed = seed
        self.streams = streams
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
            batches += self._cut(order[start : start + window], rng)
        return [batches[i] for i in rng.permutation(len(batches))]

    def batch(self, rows: np.ndarray) -> Batch:
        """The batch of rows that ``epoch`` gave."""
        raise NotImplementedError

    def _cut(self, rows: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """The rows of a window as those of its batches."""
        return _cut(_by_length(self._lengths, rows), self._lengths, self.batch_tokens)


class Batches(Order):
    """The batches of pairs, padded or, with ``pack``, packed.

    With ``pack``, the targets alone, which must not be longer, are put together in rows of that
    many tokens (``packing.py``), of which a batch has as many as the budget allows. ``no_target``
    is what their targets have at padding. Raises as ``Order``.
    """

    pairs: Pairs

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
        super().__init__(pairs, batch_tokens, seed, streams)
        self.pack = min(pack, batch_tokens)
        self.no_target = no_target

    def batch(self, rows: np.ndarray) -> Batch:
        """The pairs at ``rows``, padded or packed."""
        if self.pack:
            return make_packed_batch(self.pairs, rows, self.pack, self.no_target)
        return make_batch(self.pairs, rows, self.streams, self.no_target)

    def _cut(self, rows: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        if not self.pack:
            return super()._cut(rows, rng)
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
