"""What is measured: the presets with a batch each, and the matrix products of one step."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from npformer.config import RunConfig
from npformer.errors import ConfigError, nearest
from npformer.models.transformer import TransformerConfig
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


def bench_config(preset: str, *, workers: int, dropout: float | None = None) -> RunConfig:
    """What ``npformer train --preset`` runs, with a full vocabulary; ``dropout`` may be changed."""
    run = run_preset(preset)
    model = dataclasses.replace(
        run.model,
        vocab_size=run.data.vocab_size,
        dropout=run.model.dropout if dropout is None else dropout,
    )
    train = dataclasses.replace(run.train, workers=workers)
    return dataclasses.replace(run, model=model, train=train)


def random_batch(preset: str, seed: int = 0) -> Batch:
    """A batch without padding, of uniformly drawn ids: every token costs what a real one does."""
    rows, length = workload(preset)
    vocab_size = run_preset(preset).data.vocab_size
    rng = np.random.default_rng(seed)
    ids = rng.integers(4, vocab_size, size=(3, rows, length))
    return Batch.of_pairs(ids[0], ids[1], ids[2])


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


class Product(NamedTuple):
    """A ``stack`` of products (m, k) @ (k, n), done ``times`` over in one step."""

    stack: int
    m: int
    k: int
    n: int
    times: int

    @property
    def flops(self) -> int:
        """Multiplications and additions, both counted."""
        return 2 * self.stack * self.m * self.k * self.n * self.times


def step_products(config: TransformerConfig, rows: int, length: int) -> list[Product]:
    """Every matrix product in the forward and backward of one step with S = T = ``length``."""
    c, tokens = config, rows * length
    attentions = c.encoder_layers + 2 * c.decoder_layers
    layers = c.encoder_layers + c.decoder_layers
    linears = [
        (c.d_model, c.heads * c.head_k, 2 * attentions),  # q_proj, k_proj
        (c.d_model, c.heads * c.head_v, attentions),  # v_proj
        (c.heads * c.head_v, c.d_model, attentions),  # out_proj
        (c.d_model, c.d_ff, layers),
        (c.d_ff, c.d_model, layers),
        (c.d_model, c.vocab_size, 1),  # logits
    ]
    products = []
    for inputs, outputs, times in linears:
        products += [
            Product(1, tokens, inputs, outputs, times),  # y = x weight^T
            Product(1, tokens, outputs, inputs, times),  # dx = dy weight
            Product(1, outputs, tokens, inputs, times),  # dweight = dy^T x
        ]
    heads = rows * c.heads
    for size, times in ((c.head_k, 3 * attentions), (c.head_v, 3 * attentions)):
        # q k^T, dq, dk with d_k; probs v, dprobs, dv with d_v: three products of each size.
        products.append(Product(heads, length, size, length, times))
    return products


def model_flops(config: TransformerConfig, rows: int, length: int) -> int:
    """Floating-point operations of the products of one step."""
    return sum(product.flops for product in step_products(config, rows, length))


def shards(rows: int, workers: int) -> list[int]:
    """How many of ``rows`` each worker takes."""
    return [math.ceil((rows - w) / workers) for w in range(workers) if rows > w]
