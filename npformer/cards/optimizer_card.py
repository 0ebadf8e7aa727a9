"""The card of an optimizer: a few steps of it beside the one of ``torch.optim``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npformer.cards.card import Card
from npformer.cards.case import Array, Case
from npformer.cards.pytorch import optim
from npformer.cards.strategies import Source, draw_array, draw_rng, draw_sizes
from npformer.errors import ConfigError

Settings = dict[str, Any]


class OptimizerCard(Card):
    """What is to be known of one optimizer.

    It has no backward: its result is the weight after some steps, on gradients that are part of
    the case. Some gradients are tiny, so that an eps below a root counts.
    """

    kind = "optimizer"
    needed = ("twin", "static", "scales")

    static: Mapping[str, Sequence[Any]]
    """What each setting may be; several settings at once under their names joined by commas."""
    scales: Callable[[Array, Array, Settings], Array]
    """(weight, gradients, settings) -> S of the weight in the end."""

    def __init__(self, optimizer: type) -> None:
        super().__init__(optimizer.__name__, optimizer.__module__)
        self.optimizer = optimizer
        self.static = {}

    @classmethod
    def of(cls, optimizer: type) -> OptimizerCard:
        """The card of a class of ``npformer.optim``."""
        return cls(optimizer)

    @functools.cached_property
    def twin(self) -> Any:
        """The class that the twin's engine takes for it, if there is one."""
        try:
            return optim.twin_optimizer(self.home.rpartition(".")[2])
        except ConfigError:
            return None

    def drawn(self, source: Source, dtype: Any) -> Case:
        """A weight (A, B), its gradients (steps, A, B), a learning rate, settings."""
        settings: Settings = {}
        for names, options in self.static.items():
            chosen = source.choice(options)
            each = names.split(", ")
            settings.update(zip(each, chosen if len(each) > 1 else (chosen,), strict=True))
        sizes = draw_sizes(source, "ab")
        shape = (sizes["a"], sizes["b"])
        steps = source.integer(1, 6)
        rng = draw_rng(source)
        size = 10.0 ** rng.uniform(-9, 1, shape)
        static = {
            "gradients": (rng.standard_normal((steps, *shape)) * size).astype(dtype),
            "learning_rate": source.choice((0.1, 1e-3)),
            **settings,
        }
        return Case({"weight": draw_array(source, shape, dtype)}, static, np.zeros(shape, dtype))

    def scale(self, scales: Any) -> Any:
        """Decorator: S of the weight in the end."""
        self.scales = scales
        return scales
