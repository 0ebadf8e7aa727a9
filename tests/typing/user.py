"""What a user may write. mypy reads it as --strict does; ``test_user.py`` runs it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from npformer.config import RunConfig
from npformer.inspect import record
from npformer.models.transformer import Transformer
from npformer.ops import relu_backward, relu_forward
from npformer.presets import run_preset
from npformer.train.prepare import prepare
from npformer.train.run import run_training
from npformer.verify import check


def small_run() -> RunConfig:
    """Two updates on the built-in corpus."""
    config = run_preset("tiny")
    data = dataclasses.replace(config.data, pairs=200, vocab_size=60, tokenizer="char")
    return dataclasses.replace(
        config, data=data, train=dataclasses.replace(config.train, updates=2, validation_pairs=0)
    )


def look() -> int:
    """Record one forward and backward; the number of calls."""
    prepared = prepare(small_run())
    model = Transformer(prepared.config.model, rng=np.random.default_rng(0))
    batch = prepared.batches.batch(np.arange(2))
    return len(record(model, batch).calls)


def prove() -> bool:
    """Check a gradient."""
    return check((relu_forward, relu_backward), against="relu", cases=4).passed


def train(directory: Path) -> int:
    """Train; the updates made."""
    return run_training(small_run(), directory).position.update
