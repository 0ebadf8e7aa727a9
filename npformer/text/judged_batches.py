"""Judged answers as ids, and in batches: every answer is a row, asked for its own tokens alone.

Where a model reads a source, that is the prompt. Elsewhere the prompt stands before each answer,
as ``npformer generate`` reads it, and its tokens are no targets. Prompt and answer are encoded one
by one: a token across their border is none that the model would find there when it writes.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from npformer.errors import CorpusError, TokenizerError
from npformer.text.batches import Batch, Order, in_batches
from npformer.text.judged import Judged
from npformer.text.pairs import Column, Ragged
from npformer.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class JudgedBatch(Batch):
    """Answers in rows, those that are judged together side by side; its length is theirs."""

    answers: int = 1
    """How many are judged together."""
    desirable: np.ndarray | None = None
    """(A,) bool, of each answer."""
    reference: np.ndarray | None = None
    """(A,) float64: the log-probability of each answer before training; None until measured."""
    sizes: np.ndarray | None = None
    """(A,) tokens of each row that are read."""

    def __len__(self) -> int:
        return len(self.targets) // self.answers

    @property
    def counted(self) -> np.ndarray:
        """(units,) bool: those of which every answer has a token."""
        asked = (self.targets != self.no_target).any(axis=1)
        return np.asarray(asked.reshape(-1, self.answers).all(axis=1))

    @property
    def units(self) -> int:
        """Answers, or pairs of them: the loss is their mean."""
        return int(np.count_nonzero(self.counted))

    @property
    def lengths(self) -> np.ndarray:
        """(A,) how many tokens of each row's target are read."""
        return np.zeros(len(self.targets), int) if self.sizes is None else self.sizes

    @property
    def about(self) -> dict[str, np.ndarray]:
        """Each answer's judgement, and its reference where there is one."""
        given = {"desirable": self.desirable, "reference": self.reference}
        return {name: array for name, array in given.items() if array is not None}

    def rows(self, part: slice) -> JudgedBatch:
        """Some of what is judged."""
        units = np.arange(len(self))[part, None]
        rows = (units * self.answers + np.arange(self.answers)).reshape(-1)
        desirable, reference, sizes = (
            None if each is None else each[rows]
            for each in (self.desirable, self.reference, self.sizes)
        )
        return JudgedBatch(
            {name: ids[rows] for name, ids in self.inputs.items()},
            self.targets[rows],
            self.no_target,
            self.answers,
            desirable,
            reference,
            sizes,
        )


@dataclass(frozen=True)
class EncodedJudged:
    """Answers as ids, ``answers`` of them judged together: a unit, which is one row of others'."""

    answers: int
    source: list[np.ndarray]  # (A,) of (length,): what is read beside the answer
    target: list[np.ndarray]  # (A,) of (length,): with what begins and what ends it
    asked: np.ndarray  # (A,) the first token of target that is a target
    desirable: np.ndarray  # (A,) bool
    left_out: int
    """Units of which an answer is too long."""
    kept: list[int]
    """Which of the corpus are here."""

    def __len__(self) -> int:
        return len(self.target) // self.answers

    def lengths(self) -> np.ndarray:
        """(units, 2): tokens of the longest answer of each, times the answers."""
        source, target = self._sides
        both = np.stack([source.sizes, target.sizes - 1], axis=1)
        return np.asarray(self.answers * both.reshape(-1, self.answers, 2).max(axis=1))

    def gather(self, rows: np.ndarray) -> tuple[Ragged, Ragged]:
        """Source and target of every answer of the units at ``rows``."""
        source, target = (side.gather(self.places(rows)) for side in self._sides)
        return source, target

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Where the answers of the units at ``rows`` are among all."""
        first = np.asarray(rows, np.int64)[:, None] * self.answers
        return np.asarray((first + np.arange(self.answers)).reshape(-1))

    @functools.cached_property
    def _sides(self) -> tuple[Column, Column]:
        return Column.of(self.source), Column.of(self.target)


def encode_judged(
    judged: Judged, tokenizer: Tokenizer, max_length: int, *, translates: bool
) -> EncodedJudged:
    """Tokenize; leave out, and count, units with an answer over ``max_length`` tokens.

    Of a model that ``translates``, the prompt is the source. Raises ``CorpusError`` if none is
    short enough, ``TokenizerError`` for a tokenizer without an id that ends a text.
    """
    if not tokenizer.last:
        raise TokenizerError("this model has no id that ends a text; it cannot learn to end one")
    answers = len(judged.answers[0])
    texts = [text for together in judged.answers for text in together]
    encode = tokenizer.encode_written if translates else tokenizer.encode_batch
    ids = iter(encode(texts))
    source: list[np.ndarray] = []
    target: list[np.ndarray] = []
    asked: list[int] = []
    kept: list[int] = []
    for row, prompt in enumerate(judged.prompts):
        read = tokenizer.source(tokenizer.encode(prompt)) if translates else []
        before = list(tokenizer.opening) if translates else tokenizer.prompt(prompt)
        whole = [[*before, *next(ids), *tokenizer.last] for _ in range(answers)]
        if max(len(read), *(len(each) - 1 for each in whole)) > max_length:
            continue
        kept.append(row)
        source += [np.array(read, np.int32)] * answers
        target += [np.array(each, np.int32) for each in whole]
        asked += [1 if translates else len(before)] * answers
    if not kept:
        raise CorpusError(
            f"none of the {len(judged):,} prompts with their answers fits into max_length, "
            f"{max_length} tokens; raise max_length"
        )
    desirable = np.array([judged.desirable[row] for row in kept], bool).reshape(-1)
    left_out = len(judged) - len(kept)
    return EncodedJudged(answers, source, target, np.array(asked), desirable, left_out, kept)


class JudgedBatches(Order):
    """Batches of answers; ``reference`` (A,), once it is there, is of all of them in their order.

    ``pad`` fills what is read, ``no_target`` the targets.
    """

    pairs: EncodedJudged

    def __init__(
        self,
        pairs: EncodedJudged,
        batch_tokens: int,
        seed: int,
        streams: Collection[str],
        *,
        pad: int,
        no_target: int,
    ) -> None:
        super().__init__(pairs, batch_tokens, seed, streams)
        self.pad, self.no_target = pad, no_target
        self.reference: np.ndarray | None = None

    def batch(self, rows: np.ndarray) -> JudgedBatch:
        """The units at ``rows``."""
        places = self.pairs.places(rows)
        sources, targets = self.pairs.gather(rows)
        read, asked = targets.padded(self.pad)[:, :-2], targets.padded(self.no_target)[:, 1:-1]
        at = np.arange(read.shape[1])
        sizes = targets.sizes - 1
        read = np.where(at < sizes[:, None], read, self.pad)  # the last id is a target alone
        asked = np.where(at + 1 < self.pairs.asked[places][:, None], self.no_target, asked)
        inputs = {"target": read}
        if "source" in self.streams:
            inputs = {"source": sources.padded(self.pad)[:, :-1], **inputs}
        reference = None if self.reference is None else self.reference[places]
        return JudgedBatch(
            inputs,
            asked,
            self.no_target,
            self.pairs.answers,
            self.pairs.desirable[places],
            reference,
            sizes,
        )

    def in_order(self) -> list[np.ndarray]:
        """The rows of batches that have every unit once, for looking and not for training."""
        return in_batches(self.pairs, self.batch_tokens, self.streams)
