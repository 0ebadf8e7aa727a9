"""Optimizers over one flat buffer, gradient clipping and learning-rate schedules."""

from __future__ import annotations

from npformer.config import OptimConfig
from npformer.optim.adam import Adam, AdamW
from npformer.optim.clip import clip_factor, gradient_norm
from npformer.optim.flat import FlatParameters
from npformer.optim.optimizer import Optimizer
from npformer.optim.schedules import constant, cosine, learning_rate, noam
from npformer.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "FlatParameters",
    "Optimizer",
    "clip_factor",
    "constant",
    "cosine",
    "gradient_norm",
    "learning_rate",
    "make_optimizer",
    "noam",
]


def make_optimizer(config: OptimConfig, flat: FlatParameters) -> Optimizer:
    """The optimizer that ``config`` names, over the parameters of ``flat``."""
    if config.name == "sgd":
        return SGD(flat, momentum=config.beta1, weight_decay=config.weight_decay)
    kind = AdamW if config.name == "adamw" else Adam
    return kind(
        flat,
        beta1=config.beta1,
        beta2=config.beta2,
        eps=config.eps,
        weight_decay=config.weight_decay,
    )
