"""Optimizers over one flat buffer, gradient clipping and learning-rate schedules."""

from __future__ import annotations

from npformer.optim.adam import Adam
from npformer.optim.adamw import AdamW
from npformer.optim.clip import clip_factor, gradient_norm
from npformer.optim.config import OptimConfig
from npformer.optim.discovery import optimizers
from npformer.optim.flat import FlatParameters
from npformer.optim.optimizer import Optimizer
from npformer.optim.schedules import constant, cosine, learning_rate, noam
from npformer.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "FlatParameters",
    "OptimConfig",
    "Optimizer",
    "clip_factor",
    "constant",
    "cosine",
    "gradient_norm",
    "learning_rate",
    "make_optimizer",
    "noam",
    "optimizers",
]


def make_optimizer(config: OptimConfig, flat: FlatParameters) -> Optimizer:
    """The optimizer that ``config`` names, over the parameters of ``flat``."""
    kind = optimizers()[config.name]
    return kind(flat, **config.arguments(kind))
