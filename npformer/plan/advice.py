"""What makes a run fit into memory that is too small for it, with the figure for each remedy."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

from npformer.config import RunConfig
from npformer.plan.memory import planned_memory
from npformer.plan.shape import DeviceKind, full_batch

CHUNK = 2048
"""Target positions whose logits exist at a time, as advised."""


class Advice(NamedTuple):
    """A change to a run, and the memory that it then needs."""

    options: str
    """As on the command line."""
    total: int
    """The peak in bytes."""
    fits: bool


class _Remedy(NamedTuple):
    options: str
    config: RunConfig
    ranks: int


def advise(
    config: RunConfig,
    memory: int,
    ranks: int = 1,
    length: int = 32,
    *,
    device: DeviceKind = "cuda",
    bf16: bool = True,
) -> tuple[Advice, ...]:
    """Remedies for a run that needs more than ``memory`` bytes, the least costly first.

    Each alone; then, if only more GPUs would be enough, the first combination that is. Only such
    as lower the peak are named. ``bf16``: whether the device has it.
    """

    def need(config: RunConfig, ranks: int) -> int:
        return planned_memory(config, full_batch(config.data, length, ranks), device, ranks).total

    now = need(config, ranks)
    each: dict[str, Advice] = {}  # of one option's values, the first that is enough, else the last
    for remedy in _remedies(config, ranks, length, bf16, many=device == "cuda"):
        option = remedy.options.split()[0]
        if option in each and each[option].fits:
            continue
        total = need(remedy.config, remedy.ranks)
        if total < now:
            each[option] = Advice(remedy.options, total, total <= memory)
    if any(advice.fits for option, advice in each.items() if option != "--gpus"):
        return tuple(each.values())
    return (*each.values(), *_together(config, memory, ranks, length, bf16, device))


def _remedies(
    config: RunConfig, ranks: int, length: int, bf16: bool, *, many: bool
) -> Iterator[_Remedy]:
    yield from _cheap(config, ranks, bf16)
    for factor in _halvings(config, length, ranks):
        smaller = _accumulated(config, factor)
        yield _Remedy(_accumulation(smaller), smaller, ranks)
    if many and ranks > 1 and config.twin.parallel == "ddp":
        yield _Remedy("--parallel fsdp", _twin(config, parallel="fsdp"), ranks)
    if many:
        for factor in (2, 4, 8):
            yield _Remedy(f"--gpus {factor * ranks}", config, factor * ranks)


def _cheap(config: RunConfig, ranks: int, bf16: bool) -> Iterator[_Remedy]:
    """What changes neither the batch nor the number of GPUs."""
    twin = config.twin
    if bf16 and twin.precision == "full" and config.train.dtype == "float32":
        yield _Remedy("--precision bf16", _twin(config, precision="bf16"), ranks)
    if not 0 < twin.loss_chunk <= CHUNK:
        yield _Remedy(f"--loss-chunk {CHUNK}", _twin(config, loss_chunk=CHUNK), ranks)
    if not config.train.checkpoint_activations:
        train = dataclasses.replace(config.train, checkpoint_activations=True)
        checkpointed = dataclasses.replace(config, train=train)
        yield _Remedy("--checkpoint-activations", checkpointed, ranks)


def _together(
    config: RunConfig, memory: int, ranks: int, length: int, bf16: bool, device: DeviceKind
) -> Iterator[Advice]:
    """All the cheap ones, and then smaller batches until it fits; as far as that goes."""
    options = []
    while remedy := next(_cheap(config, ranks, bf16), None):
        options.append(remedy.options)
        config = remedy.config
    for factor in (1, *_halvings(config, length, ranks)):
        smaller = _accumulated(config, factor)
        words = [*options, *([_accumulation(smaller)] if factor > 1 else [])]
        shape = full_batch(smaller.data, length, ranks)
        total = planned_memory(smaller, shape, device, ranks).total
        if total <= memory and words:
            yield Advice(" ".join(words), total, True)
            return


def _halvings(config: RunConfig, length: int, ranks: int) -> Iterator[int]:
    """Factors by which a batch can be made smaller and still hold the longest pair."""
    least = max(config.data.max_length, length * ranks)
    factor = 2
    while config.data.batch_tokens // factor >= least:
        yield factor
        factor *= 2


def _accumulated(config: RunConfig, factor: int) -> RunConfig:
    """The same update from ``factor`` times as many batches of that part of the size."""
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, batch_tokens=config.data.batch_tokens // factor),
        train=dataclasses.replace(config.train, accumulate=config.train.accumulate * factor),
    )


def _accumulation(config: RunConfig) -> str:
    return f"--accumulate {config.train.accumulate} --batch-tokens {config.data.batch_tokens}"


def _twin(config: RunConfig, **changes: object) -> RunConfig:
    return dataclasses.replace(config, twin=dataclasses.replace(config.twin, **changes))  # type: ignore[arg-type]
