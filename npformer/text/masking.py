"""Texts of which some tokens are hidden, for a model that sees a text whole and predicts those.

Masked language modelling (Devlin et al., 2019, arXiv:1810.04805, section 3.1): of the tokens of a
text a share is chosen, and their ids are the targets. Of the chosen, eight in ten are read as the
tokenizer's mask, one in ten as any token, and one in ten as themselves, so that a model cannot rely
on the mask to tell it where it is asked. Which are chosen is a function of the run's seed, the
epoch and the text: other ones in each epoch (Liu et al., 2019, arXiv:1907.11692, section 4.1), the
same in a run that was resumed, on either engine, and however a batch is cut.

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npformer.errors import ConfigError, CorpusError
from npformer.text.batches import Batch, Batches, in_batches
from npformer.text.corpus import ParallelCorpus
from npformer.text.pairs import EncodedPairs, Ragged
from npformer.text.tokenizer import Tokenizer

READ_AS_MASK, READ_AS_ANY = 0.8, 0.1
STREAMS = ("target",)
TRAINING, LOOKING = 1, 2
"""What the draws are for."""


@dataclass(frozen=True)
class Masking:
    """How tokens are hidden: ``probability`` is the share of a text's that are chosen."""

    probability: float
    mask: int
    """The id that is read in the place of a hidden one."""
    words: np.ndarray
    """(W,) the ids that one may be read as in its place."""
    begin: tuple[int, ...]
    close: tuple[int, ...]
    """The ids around a text, which are never chosen."""
    padding: int
    no_target: int
    """What stands in the targets where nothing is asked; no id that a text may have."""

    @classmethod
    def of(
        cls, tokenizer: Tokenizer, probability: float, *, padding: int, no_target: int
    ) -> Masking:
        """That of a tokenizer, for a model with this ``padding``.

        Raises ConfigError for one without a mask.
        """
        if tokenizer.mask is None:
            raise ConfigError(
                "this model's tokenizer has no [MASK] or <mask>, so no token can be hidden from it"
            )
        around = {*tokenizer.begin, *tokenizer.close, *tokenizer.silent, *tokenizer.ends}
        never = [*around, tokenizer.mask, padding]
        words = np.setdiff1d(np.arange(tokenizer.vocab_size), never)
        begin, close = tuple(tokenizer.begin), tuple(tokenizer.close)
        return cls(probability, tokenizer.mask, words, begin, close, padding, no_target)

    @property
    def around(self) -> int:
        """How many ids stand around a text."""
        return len(self.begin) + len(self.close)

    def hidden(self, ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """ids (n,) of a text -> what is read (n,), and targets (n,), ``no_target`` elsewhere.

        The share is rounded, and one token at least is chosen.
        """
        count = min(len(ids), max(1, round(self.probability * len(ids))))
        chosen = rng.choice(len(ids), count, replace=False)
        any_word = self.words[rng.integers(0, len(self.words), count)]
        kind = rng.random(count)
        read, targets = ids.copy(), np.full(len(ids), self.no_target, np.int64)
        targets[chosen] = ids[chosen]
        shown = np.where(kind < READ_AS_MASK + READ_AS_ANY, any_word, ids[chosen])
        read[chosen] = np.where(kind < READ_AS_MASK, self.mask, shown)
        return read, targets

    def batch(self, texts: Ragged, rngs: Sequence[np.random.Generator]) -> Batch:
        """Texts without what stands around them, and a generator for each, as one batch."""
        shape = len(texts.sizes), int(texts.sizes.max(initial=0)) + self.around
        target, targets = np.full(shape, self.padding), np.full(shape, self.no_target)
        before = len(self.begin)
        ends = np.cumsum(texts.sizes)
        for row, (rng, end, size) in enumerate(zip(rngs, ends, texts.sizes, strict=True)):
            read, asked = self.hidden(texts.ids[end - size : end].astype(np.int64), rng)
            whole = [*self.begin, *read, *self.close]
            target[row, : len(whole)] = whole
            targets[row, before : before + size] = asked
        return Batch({"target": target}, targets, self.no_target)


def encode_whole(
    corpus: ParallelCorpus, tokenizer: Tokenizer, max_length: int, around: int
) -> EncodedPairs:
    """Tokenize the targets of a corpus alone, those over ``max_length`` tokens in pieces.

    A piece has ``around`` ids around it, which count. Raises ConfigError where these leave no room,
    and CorpusError for a corpus without a token.
    """
    room = max_length - around
    if room < 1:
        raise ConfigError(
            f"max_length is {max_length}, and {around} ids stand around a text; raise it"
        )
    pieces, rows = [], []
    for row, ids in enumerate(tokenizer.encode_batch(corpus.target)):
        for at in range(0, len(ids), room):
            pieces.append(np.array(ids[at : at + room], np.int32))
            rows.append(row)
    if not pieces:
        raise CorpusError("there is no token in the corpus, so none can be hidden")
    sources = [np.zeros(0, np.int32)] * len(pieces)
    return EncodedPairs(sources, pieces, 0, np.array(rows, np.int64), beside=around)


class MaskedBatches(Batches):
    """``Batches`` of texts with hidden tokens; the rows of a batch have the epoch beside them."""

    def __init__(self, texts: EncodedPairs, batch_tokens: int, seed: int, masking: Masking) -> None:
        super().__init__(texts, batch_tokens, seed, STREAMS, no_target=masking.no_target)
        self.masking = masking

    def epoch(self, number: int) -> list[np.ndarray]:
        """(B, 2) of each batch: the text, and the epoch, on which it depends what is hidden."""
        return [np.stack([rows, np.full_like(rows, number)], 1) for rows in super().epoch(number)]

    def batch(self, rows: np.ndarray) -> Batch:
        """The batch of rows that ``epoch`` gave."""
        _, texts = self.pairs.gather(rows[:, 0])
        return self.masking.batch(texts, [_draws(TRAINING, self.seed, *row) for row in rows])


def masked_evaluation(texts: EncodedPairs, batch_tokens: int, masking: Masking) -> list[Batch]:
    """Every text once, with the same tokens hidden whenever, and in whatever run, it is asked."""
    return [
        masking.batch(texts.gather(rows)[1], [_draws(LOOKING, int(row)) for row in rows])
        for rows in in_batches(texts, batch_tokens, STREAMS)
    ]


def _draws(purpose: int, *place: int) -> np.random.Generator:
    return np.random.default_rng(
        np.random.SeedSequence([int(each) for each in place], spawn_key=(purpose,))
    )
