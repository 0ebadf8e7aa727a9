"""What is measured: a family's presets with a batch each."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from npformer.config import RunConfig
from npformer.errors import ConfigError, nearest
from npformer.models import family
from npformer.presets import run_preset
from npformer.text.batches import Batch
from npformer.text.tokenizer import PAD


class Workload(NamedTuple):
    """The batch that one training step of a preset takes."""

    rows: int  # B
    length: int  # S = T


WORKLOADS = {
    "tiny": Workload(32, 32),
    "small": Workload(32, 32),
    "base": Workload(16, 64),
    "big": Workload(16, 64),
}


def workload(preset: str) -> Workload:
    """The workload of a preset; raises ConfigError for one that does not exist."""
    if preset not in WORKLOADS:
        raise ConfigError(
            f"preset {preset!r} does not exist; choose one of {', '.join(WORKLOADS)}"
            + nearest(preset, WORKLOADS)
        )
    return WORKLOADS[preset]


def bench_config(
    preset: str, model: str, *, workers: int, dropout: float | None = None
) -> RunConfig:
    """What ``npformer train --preset --model`` runs, with a full vocabulary and the ``dropout``."""
    run = run_preset(preset, model)
    changed = dataclasses.replace(
        run.model,
        vocab_size=run.data.vocab_size,
        dropout=run.model.dropout if dropout is None else dropout,
    )
    train = dataclasses.replace(run.train, workers=workers)
    return dataclasses.replace(run, model=changed, train=train)


def random_batch(preset: str, model: str, seed: int = 0) -> Batch:
    """A batch without padding, of uniformly drawn ids: every token costs what a real one does."""
    rows, length = workload(preset)
    vocab_size = run_preset(preset).data.vocab_size
    rng = np.random.default_rng(seed)
    *inputs, targets = rng.integers(4, vocab_size, size=(3, rows, length))
    read = dict(zip(("source", "target"), inputs, strict=True))
    return Batch({name: read[name] for name in family(model).streams}, targets)


def training_shape(preset: str, tokens: int, *, cuda: bool) -> Workload:
    """The batch of a step on PyTorch: of ``tokens`` a side, padding included, if that is not 0.

    Otherwise the workload above on a CPU, and on a GPU as many tokens as the preset trains with.
    """
    rows, length = workload(preset)
    if tokens or cuda:
        rows = max(1, (tokens or run_preset(preset).data.batch_tokens) // length)
    return Workload(rows, length)


def padded_batch(rows: int, length: int, vocab_size: int, seed: int = 0) -> Batch:
    """A batch as batches by length are: rows of 0.8 to 1 times ``length``, padded at the end.

    The first row is full, on both sides. Ids are drawn uniformly.
    """
    rng = np.random.default_rng(seed)
    ids = rng.integers(4, vocab_size, size=(3, rows, length))
    lengths = rng.integers(math.ceil(0.8 * length), length + 1, size=(2, rows))
    lengths[:, 0] = length
    source, target = (np.arange(length) < side[:, None] for side in lengths)
    return Batch.of_pairs(
        *(
            np.where(mask, side, PAD)
            for side, mask in zip(ids, (source, target, target), strict=True)
        )
    )


def shards(rows: int, workers: int) -> list[int]:
    """How many of ``rows`` each worker takes."""
    return [math.ceil((rows - w) / workers) for w in range(workers) if rows > w]
