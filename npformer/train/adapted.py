"""A run's model with the adapters that its configuration asks for, and without them again.

Chapter     walkthroughs/21_memory_against_arithmetic.md
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from npformer.config import AdapterConfig, RunConfig
from npformer.errors import ConfigError
from npformer.models import make_model
from npformer.models.model import Model
from npformer.nn.adapters import add_adapters, linears, merge
from npformer.nn.init import Undrawn
from npformer.ops.array import Array
from npformer.train.checkpoint import Checkpoint


def make_trained(
    config: RunConfig, rng: np.random.Generator, weights: Mapping[str, Array] | None = None
) -> Model:
    """The model that a run trains: all of it, or its adapters alone.

    ``weights`` are those that it begins with, before adapters; drawn unless given. Raises
    ConfigError for adapters of linear layers that it has not, ShapeError for other weights.
    """
    drawn = rng if weights is None else Undrawn()
    model = make_model(config.model, rng=drawn, dtype=np.dtype(config.train.dtype))
    if weights is not None:
        model.load_state_dict(weights, assign=True)
    if config.adapters.lora and getattr(config.model, "weight_bits", None) is not None:
        raise ConfigError(
            "adapters are around layers of floats, and weight_bits is "
            f"{config.model.weight_bits}; leave one out"
        )
    if config.adapters.lora:
        add_adapters(model, **adapter_arguments(config.adapters, linears(model)), rng=rng)
    return model


def adapter_arguments(adapters: AdapterConfig, names: list[str]) -> dict[str, Any]:
    """What ``add_adapters`` is told, of a model whose linear layers have these names."""
    every = adapters.lora_targets == "all"
    return {
        "rank": adapters.lora,
        "alpha": adapters.lora_alpha,
        "targets": names if every else [n.strip() for n in adapters.lora_targets.split(",")],
        "kind": "dora" if adapters.dora else "lora",
    }


def merged(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as if all weights had been trained: those of each adapter in its layer's.

    Raises ShapeError for weights of another configuration than its own.
    """
    config = checkpoint.config
    if not config.adapters.lora:
        return checkpoint
    model = make_trained(config, Undrawn())
    model.load_state_dict(checkpoint.weights, assign=True)
    merge(model)
    plain = dataclasses.replace(config, adapters=AdapterConfig())
    return dataclasses.replace(checkpoint, config=plain, weights=model.state_dict())
