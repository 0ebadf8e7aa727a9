"""What a run is trained on, ready: corpus, tokenizer, batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from npformer.config import RunConfig
from npformer.errors import counted
from npformer.text.batches import Order
from npformer.text.corpus import ParallelCorpus
from npformer.text.shards import ShardedPairs
from npformer.text.tokenizer import Tokenizer
from npformer.train.validation import Validation


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` made."""

    config: RunConfig
    """The given one, with ``model.vocab_size`` set to a trained tokenizer's."""
    tokenizer: Tokenizer
    batches: Order
    """Training batches."""
    validation: Validation
    validation_corpus: ParallelCorpus
    left_out: int
    """Training pairs longer than ``data.max_length`` tokens."""
    notes: tuple[str, ...] = ()
    """What reading the corpus decided by itself, a sentence each."""
    empty: int = 0
    """Pairs of the training corpus of which a side is empty."""
    shared: int = 0
    """Training pairs passed over because validation has their source or target too."""
    validation_left_out: int = 0
    """Validation pairs longer than ``model.max_length`` tokens, of which the loss is not taken."""

    what: str = "pair"
    """What the corpus is made of: pairs, or the documents of a plain text."""

    def summary(self) -> str:
        """One line for a person: how much there is to train on, what was passed over, and where."""
        pairs = self.batches.pairs
        kind = "piece" if self.what == "document" else self.what
        over = passed_over(
            {
                "share a sentence with validation": self.shared,
                "have an empty side": self.empty,
                f"are longer than {self.config.data.max_length} tokens": self.left_out,
            }
        )
        over_validation = passed_over(
            {
                "have an empty side": self.validation_corpus.empty,
                f"are longer than {self.config.model.max_length} tokens": self.validation_left_out,
            }
        )
        where = (
            f"; {counted(len(pairs.manifest.shards), 'shard')} of "
            f"{pairs.bytes / 1e6:,.1f} MB in all in {pairs.directory}"
            if isinstance(pairs, ShardedPairs)
            else ""
        )
        return (
            f"{counted(len(pairs), f'training {kind}')}{over}, "
            f"{counted(len(self.validation_corpus), f'validation {self.what}')}{over_validation}, "
            f"{self.tokenizer.vocab_size:,} vocabulary entries{where}"
        )


def passed_over(counts: Mapping[str, int]) -> str:
    """`` (298 more passed over: 285 share ..., 13 have ...)``, or "" if all counts are 0."""
    reasons = [f"{count:,} {why}" for why, count in counts.items() if count]
    total = sum(counts.values())
    return f" ({total:,} more passed over: {', '.join(reasons)})" if total else ""
