"""A model of four weights behind the engine's verbs, and batches to train it on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from npformer.config import DataConfig, OptimConfig, RunConfig, TrainConfig
from npformer.errors import NonFiniteError
from npformer.models.transformer import TransformerConfig
from npformer.nn.module import Parameter
from npformer.optim import FlatParameters, clip_factor, gradient_norm, make_optimizer
from npformer.text.batches import Batch, Batches
from npformer.text.pairs import EncodedPairs
from npformer.train.checkpoint import save_arrays
from npformer.train.engine import Step, not_finite

MEASURED = ("time", "tokens_per_s", "waited", "memory", "mfu")
"""Metrics that tell of the machine; a run made twice repeats all others exactly."""
TOKENIZER = b'{"a": "tokenizer"}\n'


def run_config(**train) -> RunConfig:
    """A small run of the fake engine, with accumulation."""
    defaults = dict(
        updates=12, accumulate=2, validate_every=4, checkpoint_every=4, keep=3, dtype="float64"
    )
    return RunConfig(
        model=TransformerConfig(vocab_size=20, d_model=4, heads=1, d_ff=4),
        optim=OptimConfig(schedule="constant", learning_rate=0.01, warmup=3),
        data=DataConfig(batch_tokens=24),
        train=TrainConfig(**{**defaults, **train}),
    )


def make_batches(count: int = 40, seed: int = 0) -> Batches:
    """Pairs of random ids, 4 to 19, of 1 to 7 tokens."""
    rng = np.random.default_rng(seed)
    sides = [
        [rng.integers(4, 20, rng.integers(1, 8)).astype(np.int32) for _ in range(count)]
        for _ in range(2)
    ]
    return Batches(EncodedPairs(*sides), 24, seed)


class FakeEngine:
    """Predicts a token's id from the one before it, with squared error and a dropout of tokens.

    ``hook(engine, update)`` runs at the start of each update.
    """

    model = None
    peak_flops = 0.0

    def __init__(
        self, config: RunConfig, hook: Callable[[FakeEngine, int], None] = lambda *_: None
    ) -> None:
        rng = np.random.default_rng(config.train.seed)
        self.weight = Parameter(rng.standard_normal(3))
        self.bias = Parameter(np.zeros(1))
        self.flat = FlatParameters({"weight": self.weight, "bias": self.bias})
        self.optimizer = make_optimizer(config.optim, self.flat)
        self.clip_norm = config.optim.clip_norm
        self.hook = hook
        self.seeds: list[tuple[int, ...]] = []
        self.updates: list[tuple[float, int]] = []
        self.loss, self.tokens = 0.0, 0

    def _errors(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        before = batch.inputs["target"] / 10
        read = batch.inputs["source"].sum(axis=1, keepdims=True) / 100
        total = np.broadcast_to(read, before.shape)
        features = np.stack([before, total, before * total], axis=-1)  # (B, T, 3)
        errors = features @ self.weight.data + self.bias.data - batch.targets / 10
        return features, errors * (batch.targets != 0)

    def gradients(self, batch: Batch, seed: tuple[int, ...]) -> None:
        self.seeds.append(seed)
        features, errors = self._errors(batch)
        errors = errors * (np.random.default_rng(seed).random(errors.shape) < 0.9)
        self.weight.accumulate(np.einsum("bt,btf->f", errors, features))
        self.bias.accumulate(errors.sum(keepdims=True)[0])
        self.loss += 0.5 * float((errors**2).sum())
        self.tokens += batch.tokens

    def update(self, learning_rate: float) -> Step:
        self.hook(self, len(self.updates) + 1)
        loss, tokens = self.loss, self.tokens
        self.loss, self.tokens = 0.0, 0
        norm = gradient_norm(self.flat.grad) / tokens
        name = self.flat.first_nonfinite()
        if name or not np.isfinite(loss):
            self.flat.grad.fill(0)
            raise NonFiniteError(not_finite(loss, name))
        self.updates.append((learning_rate, tokens))
        self.optimizer.step(learning_rate, clip_factor(norm, self.clip_norm) / tokens)
        self.flat.grad.fill(0)
        return Step(loss, tokens, norm)

    def evaluate(self, batch: Batch) -> tuple[float, int]:
        return 0.5 * float((self._errors(batch)[1] ** 2).sum()), batch.tokens

    def state(self) -> dict[str, np.ndarray]:
        weights = {f"model/{k}": v.copy() for k, v in self.flat.views(self.flat.data).items()}
        return weights | {f"optim/{k}": v.copy() for k, v in self.optimizer.state().items()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        optim = {k.removeprefix("optim/"): v for k, v in state.items() if k.startswith("optim/")}
        for name, view in self.flat.views(self.flat.data).items():
            view[...] = state[f"model/{name}"]
        if optim:
            self.optimizer.restore(optim)

    def save(self, directory: Path) -> None:
        save_arrays(directory, self.state())

    def memory(self) -> int:
        return 2**20


class ThreadRanks:
    """``size`` ranks as threads of this process."""

    def __init__(self, rank: int, size: int, board: list[Any], gate: threading.Barrier) -> None:
        self.rank, self.size, self._board, self._gate = rank, size, board, gate

    def gather(self, value: Any) -> list[Any]:
        self._board[self.rank] = value
        self._gate.wait(10)
        values = list(self._board)
        self._gate.wait(10)
        return values

    def sum(self, *values: float) -> list[float]:
        return [sum(column) for column in zip(*self.gather(values), strict=True)]

    def barrier(self) -> None:
        self.gather(None)


def on_ranks(size: int, work: Callable[[ThreadRanks], Any]) -> list[Any]:
    """What ``work`` returns on each rank."""
    board, gate = [None] * size, threading.Barrier(size)
    with ThreadPoolExecutor(size) as pool:
        ranks = [ThreadRanks(rank, size, board, gate) for rank in range(size)]
        return list(pool.map(work, ranks))
