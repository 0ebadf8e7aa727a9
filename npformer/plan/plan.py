"""A run's plan: what it needs on each GPU, how long it takes, what it costs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from npformer.config import RunConfig
from npformer.errors import ConfigError
from npformer.plan.advice import Advice, advise
from npformer.plan.devices import Arithmetic, Gpu
from npformer.plan.memory import Memory, planned_memory
from npformer.plan.shape import Shape, full_batch

MFU = 0.45
"""Share of its peak that a GPU is assumed to reach, unless said otherwise."""
LENGTH = 32
"""Tokens a sentence, likewise. Memory hardly depends on it, time a little."""


@dataclass(frozen=True)
class Assumptions:
    """What a plan does not know, and takes as given; raises ConfigError for what cannot be."""

    mfu: float = MFU
    """Model FLOP utilisation: the matrix products' share of what the GPU can do."""
    length: int = LENGTH
    """Tokens of each sentence, on both sides; a batch is full of such pairs, without padding."""
    price: float | None = None
    """What one GPU costs in an hour, in any currency."""

    def __post_init__(self) -> None:
        if not 0 < self.mfu <= 1:
            raise ConfigError(f"mfu is {self.mfu}; it must be above 0 and at most 1")
        if self.length < 1:
            raise ConfigError(f"length is {self.length}; it must be 1 or more")
        if self.price is not None and not 0 <= self.price < float("inf"):
            raise ConfigError(f"price is {self.price}; it must be 0 or more")


@dataclass(frozen=True)
class Plan:
    """A run on ``gpus`` GPUs of one kind. Memory is in bytes and of each GPU, time in seconds."""

    config: RunConfig
    gpu: Gpu
    gpus: int
    assumed: Assumptions
    shape: Shape
    """A GPU's part of one batch."""
    parameters: int
    memory: Memory
    tokens: int
    """Target tokens of an update, on all GPUs; the source has as many."""
    flops: int
    """Operations of an update, on all GPUs."""
    peak_flops: float | None
    """Operations a second of one GPU, at most; None where the data sheet has no figure."""
    advice: tuple[Advice, ...]
    """What makes it fit, if it does not."""

    @property
    def share(self) -> float:
        """The peak as a share of the GPU's memory."""
        return self.memory.total / self.gpu.memory

    @property
    def fits(self) -> bool:
        """Whether the GPU has as much."""
        return self.share <= 1

    @property
    def update_seconds(self) -> float | None:
        """One update, at the assumed utilisation."""
        if self.peak_flops is None:
            return None
        return self.flops / (self.gpus * self.peak_flops * self.assumed.mfu)

    @property
    def seconds(self) -> float | None:
        """All updates."""
        each = self.update_seconds
        return None if each is None else each * self.config.train.updates

    @property
    def cost(self) -> float | None:
        """All GPUs for all that time, at the price given."""
        if self.seconds is None or self.assumed.price is None:
            return None
        return self.seconds / 3600 * self.gpus * self.assumed.price

    def as_dict(self) -> dict[str, Any]:
        """Every figure, ready for JSON."""
        return {
            "config": dataclasses.asdict(self.config),
            "gpu": self.gpu._asdict() | {"memory": self.gpu.memory},
            "gpus": self.gpus,
            "assumed": dataclasses.asdict(self.assumed),
            "batch_on_each_gpu": self.shape._asdict(),
            "parameters": self.parameters,
            "memory": dataclasses.asdict(self.memory) | {"total": self.memory.total},
            "share": self.share,
            "fits": self.fits,
            "advice": [advice._asdict() for advice in self.advice],
            "tokens": self.tokens,
            "flops": self.flops,
            "peak_flops": self.peak_flops,
            "update_seconds": self.update_seconds,
            "seconds": self.seconds,
            "cost": self.cost,
        }


def make_plan(
    config: RunConfig, gpu: Gpu, gpus: int = 1, assumed: Assumptions | None = None
) -> Plan:
    """Plan a run of ``config``, whose ``model.vocab_size`` is the vocabulary that is meant.

    Raises ConfigError for no GPU, sentences longer than the model takes or a batch holds, and
    arithmetic that the GPU does not have.
    """
    from npformer.plan.flops import update_flops  # PyTorch takes seconds to import
    from npformer.plan.weights import weigh

    assumed = assumed or Assumptions()
    if gpus < 1:
        raise ConfigError(f"gpus is {gpus}; it must be 1 or more")
    check_length(config, assumed.length)
    shape = full_batch(config.data, assumed.length, gpus)
    rows = config.data.batch_tokens // assumed.length * config.train.accumulate
    kind = arithmetic(config, gpu)
    memory = planned_memory(config, shape, "cuda", gpus)
    return Plan(
        config=config,
        gpu=gpu,
        gpus=gpus,
        assumed=assumed,
        shape=shape,
        parameters=weigh(config).numbers,
        memory=memory,
        tokens=rows * assumed.length,
        flops=update_flops(config.model, rows, assumed.length, assumed.length),
        peak_flops=None if kind is None else gpu.peak_flops(kind),
        advice=advise(config, gpu.memory, gpus, assumed.length, bf16=gpu.bf16 is not None)
        if memory.total > gpu.memory
        else (),
    )


def check_length(config: RunConfig, length: int) -> None:
    """Raise ConfigError for sentences longer than the model takes or a batch holds."""
    longest = longest_length(config)
    if length > longest:
        raise ConfigError(
            f"length is {length}, but the run takes no sentence of more than {longest} "
            "tokens: see max_length, model.max_length and batch_tokens"
        )


def longest_length(config: RunConfig) -> int:
    """Tokens of the longest sentence that a run takes."""
    return min(config.model.max_length, config.data.max_length, config.data.batch_tokens)


def arithmetic(config: RunConfig, gpu: Gpu) -> Arithmetic | None:
    """What the matrix products of a run are made in; None for float64."""
    if config.twin.precision == "bf16":
        return "bf16"
    if config.train.dtype == "float64":
        return None
    return "tf32" if config.twin.tf32 and gpu.tf32 is not None else "float32"
