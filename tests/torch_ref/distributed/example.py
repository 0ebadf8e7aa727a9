"""A small model, uneven batches, and each rank's rows of them: what the tests of ranks share."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from npformer.config import OptimConfig, RunConfig, TrainConfig, TwinConfig
from npformer.models.transformer import Transformer, TransformerConfig
from npformer.text.batches import Batch
from npformer.train.ranks import Ranks
from torch_ref.train import TorchEngine

VOCABULARY = 29
MODEL = TransformerConfig(
    vocab_size=VOCABULARY,
    d_model=16,
    heads=4,
    d_ff=24,
    encoder_layers=2,
    decoder_layers=2,
    dropout=0.0,
)
# With beta1 = 0, Adam's first moment is the gradient of the last update.
PLAIN_GRADIENT = OptimConfig(beta1=0.0)


def run_config(
    model: TransformerConfig = MODEL,
    optim: OptimConfig = PLAIN_GRADIENT,
    *,
    accumulate: int = 1,
    dtype: Any = "float64",
    checkpoint_activations: bool = False,
    **twin: Any,
) -> RunConfig:
    return RunConfig(
        model,
        optim,
        train=TrainConfig(
            engine="torch",
            dtype=dtype,
            accumulate=accumulate,
            workers=1,
            checkpoint_activations=checkpoint_activations,
        ),
        twin=TwinConfig(device="cpu", **twin),
    )


def first_model(config: RunConfig) -> Transformer:
    """The NumPy model with the weights that every engine of these tests begins with."""
    return Transformer(config.model, rng=np.random.default_rng(0), dtype=np.float64)


def make_engine(config: RunConfig, ranks: Ranks | None = None) -> TorchEngine:
    dtype = np.dtype(config.train.dtype)
    weights = {k: v.astype(dtype) for k, v in first_model(config).state_dict().items()}
    return TorchEngine(config, weights=weights, ranks=ranks)


def batch(rng: np.random.Generator, rows: int, longest: int = 9) -> Batch:
    """Sentences of 1 to ``longest`` words, targets of other lengths; ids 0 to 3 are special."""
    source = [rng.integers(4, VOCABULARY, rng.integers(1, longest + 1)) for _ in range(rows)]
    target = [rng.integers(4, VOCABULARY, rng.integers(1, longest + 1)) for _ in range(rows)]
    return Batch.of_pairs(
        *(
            _padded(sentences)
            for sentences in (
                [[*s, 3] for s in source],
                [[2, *t] for t in target],
                [[*t, 3] for t in target],
            )
        )
    )


def _padded(sentences: list[list[int]]) -> np.ndarray:
    ids = np.zeros((len(sentences), max(map(len, sentences))), np.int64)
    for row, sentence in zip(ids, sentences, strict=True):
        row[: len(sentence)] = sentence
    return ids


def share(whole: Batch, ranks: Ranks) -> Batch:
    """This rank's rows, as short as they can be; without any, one that has no valid target."""
    if ranks.rank >= len(whole):
        first = whole.rows(slice(1))
        return dataclasses.replace(first, targets=np.zeros_like(first.targets))
    mine = whole.rows(slice(ranks.rank, None, ranks.size))
    return Batch({name: _cut(ids) for name, ids in mine.inputs.items()}, _cut(mine.targets))


def _cut(ids: np.ndarray) -> np.ndarray:
    """Without the columns that are padding in every row."""
    return ids[:, : (ids != 0).sum(1).max()]


def with_twin(config: RunConfig, **fields: Any) -> RunConfig:
    """``config`` with other settings of the twin."""
    return dataclasses.replace(config, twin=dataclasses.replace(config.twin, **fields))
