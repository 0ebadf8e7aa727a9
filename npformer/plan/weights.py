"""The weights of a run's model, at their full number, counted on tensors without memory."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Literal, NamedTuple

from npformer.config import AdapterConfig, ModelConfig, OptimConfig, RunConfig, TrainConfig
from npformer.plan.trace import unit_of
from npformer.plan.twin import stacks, twin
from torch_ref.optim import make_optimizer


class Weights(NamedTuple):
    """Numbers and bytes of a whole model."""

    numbers: int
    """In its parameters."""
    layer: int
    """Numbers in the largest layer."""
    root: int
    """Numbers outside the layers."""
    buffers: int
    """Bytes of what is no parameter: a table of positions."""
    optimizer: int
    """Bytes that the optimizer keeps."""
    depths: dict[str, int]
    """The stacks' names, and how many layers each has."""


def weigh(config: RunConfig) -> Weights:
    """The weights of the twin of ``config``, and its optimizer's."""
    return _weigh(config.model, config.optim, config.adapters, config.train.dtype)


@functools.lru_cache(maxsize=8)
def _weigh(
    model: ModelConfig,
    optim: OptimConfig,
    adapters: AdapterConfig,
    dtype: Literal["float32", "float64"],
) -> Weights:
    train = TrainConfig(dtype=dtype)
    config = RunConfig(model=model, optim=optim, adapters=adapters, train=train)
    objective = twin(config, "meta")
    depths, units = stacks(objective), Counter[object]()
    for name, parameter in objective.named_parameters():
        units[unit_of(name, depths)] += parameter.numel()
    trained = {n: p for n, p in objective.named_parameters() if p.requires_grad}
    optimizer = make_optimizer(config.optim, trained)
    kept = [t for state in optimizer.state.values() for t in state.values()]
    return Weights(
        numbers=units.total(),
        layer=max((size for unit, size in units.items() if unit), default=0),
        root=units[None],
        buffers=sum(buffer.nbytes for buffer in objective.buffers()),
        optimizer=sum(tensor.nbytes for tensor in kept),
        depths=depths,
    )
