"""A run's model with the adapters that its configuration asks for, and without them again.

Chapter     walkthroughs/21_memory_against_arithmetic.md
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from npformer.config import AdapterConfig, RunConfig
from npformer.models import make_model
from npformer.models.model import Model
from npformer.nn.adapters import add_adapters, linears, merge
from npformer.nn.init import Undrawn
from npformer.train.checkpoint import Checkpoint


def make_trained(config: RunConfig, rng: np.random.Generator) -> Model:
    """The model that a run trains: all of it, or its adapters alone.

    Raises ConfigError for adapters of linear layers that it has not.
    """
    model = make_model(config.model, rng=rng, dtype=np.dtype(config.train.dtype))
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
