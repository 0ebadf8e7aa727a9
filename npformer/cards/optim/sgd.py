"""The card of gradient descent with momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.cards.optimizer_card import OptimizerCard, Settings
from npformer.cards.ordinary import option
from npformer.optim.sgd import SGD, sgd_update

card = OptimizerCard.of(SGD)
card.static = {"momentum": (0.0, 0.9), "weight_decay": (0.0, 0.1)}


@card.scale
def _scale(weight: Array, gradients: Array, s: Settings) -> Array:
    """The weight and every step's size, with nothing that cancels."""
    total, m = np.abs(weight), np.zeros_like(weight)
    for gradient in gradients:
        m = s["momentum"] * m + np.abs(gradient) + s["weight_decay"] * total
        total = total + s["learning_rate"] * m
    return total


def _step(name: str, wrong: str, **seen: Any) -> Any:
    return card.wrong_method(name, wrong, sgd_update, **seen)


@_step("momentum-damped", "the gradient enters the velocity times 1 - momentum",
       seen="ml-explore/mlx#87", smallest="weight (1, 1), gradients (1, 1, 1)",
       missed_by=option("no momentum", momentum=0.0))  # fmt: skip
def _damped(weight, gradient, velocity, spare, *, learning_rate, momentum):
    velocity *= momentum
    velocity += (1 - momentum) * gradient
    weight -= learning_rate * velocity


@_step("momentum-after", "the step uses the velocity from before this gradient")
def _after(weight, gradient, velocity, spare, *, learning_rate, momentum):
    weight -= learning_rate * velocity
    velocity *= momentum
    velocity += gradient


@_step("nesterov", "the step looks ahead, as Nesterov's does")
def _nesterov(weight, gradient, velocity, spare, *, learning_rate, momentum):
    velocity *= momentum
    velocity += gradient
    weight -= learning_rate * (gradient + momentum * velocity)
