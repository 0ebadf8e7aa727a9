"""The card of an optimizer: a few steps of it beside the one of ``torch.optim``."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npformer.cards.card import Card
from npformer.cards.case import Array, Case, joined
from npformer.cards.pytorch import optim
from npformer.cards.strategies import Source, draw_array, draw_rng, draw_sizes
from npformer.errors import ConfigError
from npformer.nn.module import Parameter
from npformer.optim.flat import FlatParameters

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
    """(weight, gradients, settings) -> S of the weight in the end; settings have its ``path``."""
    weights: Sequence[Mapping[str, str]]
    """What parameters a case has, by path: a letter for each axis."""
    least: Mapping[str, int]
    """Of a letter, the smallest size that makes sense, where it is not 0."""
    rates: Sequence[float] = (0.1, 1e-3)
    """Learning rates."""

    def __init__(self, optimizer: type) -> None:
        super().__init__(optimizer.__name__, optimizer.__module__)
        self.optimizer = optimizer
        self.static = {}
        self.weights = ({"weight": "ab"},)
        self.least = {}

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
        """Weights, their gradients, a learning rate, settings.

        The gradients of one weight (A, B) are (steps, A, B), of several (steps, P), joined.
        """
        settings: Settings = {}
        for names, options in self.static.items():
            chosen = source.choice(options)
            each = names.split(", ")
            settings.update(zip(each, chosen if len(each) > 1 else (chosen,), strict=True))
        letters = source.choice(self.weights)
        sizes = draw_sizes(source, "".join(letters.values()), self.least)
        shapes = {path: tuple(sizes[a] for a in word) for path, word in letters.items()}
        weights = {path: draw_array(source, each, dtype) for path, each in shapes.items()}
        shape = joined(weights).shape
        steps = source.integer(1, 6)
        rng = draw_rng(source)
        size = 10.0 ** rng.uniform(-9, 1, shape)
        size = np.where(rng.random(shape) < 0.1, 0, size)  # a token that does not occur
        static = {
            "gradients": (rng.standard_normal((steps, *shape)) * size).astype(dtype),
            "learning_rate": source.choice(self.rates),
            **settings,
        }
        return Case(weights, static, np.zeros(shape, dtype))

    def scale(self, scales: Any) -> Any:
        """Decorator: S of the weight in the end."""
        self.scales = scales
        return scales


def changed(case: Case, *, gradients: Any = None, weight: Any = None, **settings: Any) -> Case:
    """The case with functions of its gradients and of its weights, and with other settings."""
    static = {**case.static, **settings}
    inputs = dict(case.inputs)
    if gradients is not None:
        static["gradients"] = gradients(static["gradients"])
    if weight is not None:
        inputs = {path: weight(a) for path, a in inputs.items()}
    dy = np.zeros_like(joined(inputs))
    return dataclasses.replace(case, inputs=inputs, static=static, dy=dy)


def weight_after(optimizer: type, case: Case, **settings: Any) -> Array:
    """The weight of a case after the steps of another of the package's optimizers."""
    parameter = Parameter(np.array(next(iter(case.inputs.values()))))
    other = optimizer(FlatParameters({"weight": parameter}), **settings)
    for gradient in case.static["gradients"]:
        other.flat.grad[...] = gradient.reshape(-1)
        other.step(case.static["learning_rate"])
    return parameter.data
