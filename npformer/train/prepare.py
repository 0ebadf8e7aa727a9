"""From a configuration to everything that training needs: corpus, tokenizer, batches."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

from npformer.config import RunConfig
from npformer.errors import ConfigError
from npformer.text.batches import Batches, encode_pairs, evaluation_batches
from npformer.text.corpus import ParallelCorpus, load_corpus
from npformer.text.tokenizer import PAD, Tokenizer
from npformer.train.validation import Validation


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` made."""

    config: RunConfig
    """The given one, with ``model.vocab_size`` set to the tokenizer's."""
    tokenizer: Tokenizer
    batches: Batches
    """Training batches."""
    validation: Validation
    corpus: ParallelCorpus
    """The training pairs as text."""
    validation_corpus: ParallelCorpus
    left_out: int
    """Training pairs longer than ``data.max_length`` tokens."""

    def summary(self) -> str:
        """One line for a person: how much there is to train on."""
        too_long = f" ({self.left_out:,} more are too long)" if self.left_out else ""
        return (
            f"{len(self.batches.pairs):,} training pairs{too_long}, "
            f"{len(self.validation_corpus):,} validation pairs, "
            f"{self.tokenizer.vocab_size:,} vocabulary entries"
        )


def prepare(config: RunConfig, tokenizer: Tokenizer | None = None) -> Prepared:
    """Load the corpus that ``config.data`` names, train its tokenizer, and encode both.

    A resumed run passes the ``tokenizer`` of its checkpoint. Raises ``ConfigError`` for a model
    that does not fit the data, ``CorpusError`` and ``TokenizerError``.
    """
    data, model = config.data, config.model
    if model.max_length < data.max_length:
        raise ConfigError(
            f"data.max_length is {data.max_length}, but the model takes sequences of up to "
            f"{model.max_length} tokens: raise model.max_length or lower data.max_length"
        )
    if model.padding_id != PAD:
        raise ConfigError(f"padding_id is {model.padding_id}; npformer's tokenizers pad with {PAD}")
    training, held_out = load_corpus(data)
    if tokenizer is None:
        texts = [*training.source, *training.target]
        tokenizer = Tokenizer.train(texts, data.tokenizer, data.vocab_size)
    config = dataclasses.replace(
        config, model=dataclasses.replace(model, vocab_size=tokenizer.vocab_size)
    )
    pairs = encode_pairs(training, tokenizer, data.max_length)
    held_out_pairs = encode_pairs(held_out, tokenizer, model.max_length)
    # One long validation pair may fill a batch of its own; a training pair may not.
    budget = max(data.batch_tokens, model.max_length)
    return Prepared(
        config=config,
        tokenizer=tokenizer,
        batches=Batches(pairs, data.batch_tokens, config.train.seed),
        validation=Validation(
            evaluation_batches(held_out_pairs, budget),
            held_out.source,
            held_out.target,
            tokenizer,
            count=config.train.validation_pairs,
            max_length=model.max_length,
        ),
        corpus=training,
        validation_corpus=held_out,
        left_out=pairs.left_out,
    )


def tokenizer_file(tokenizer: Tokenizer) -> bytes:
    """What ``tokenizer.save`` writes, for a checkpoint."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "tokenizer.json"
        tokenizer.save(path)
        return path.read_bytes()
