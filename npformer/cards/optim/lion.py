"""The card of Lion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.optimizer_card import OptimizerCard, Settings, changed
from npformer.optim.lion import Lion, lion_update

card = OptimizerCard.of(Lion)
card.static = {"beta1, beta2": ((0.9, 0.99), (0.95, 0.98), (0.0, 0.9)), "weight_decay": (0.0, 0.1)}


@card.scale
def _scale(weight: Array, gradients: Array, s: Settings) -> Array:
    """The weight and every step; a sign of what has cancelled to its last digits may be either."""
    total, m, size = np.abs(weight), np.zeros_like(weight), np.zeros_like(weight)
    for gradient in gradients:
        mean = s["beta1"] * m + (1 - s["beta1"]) * gradient
        around = s["beta1"] * size + (1 - s["beta1"]) * np.abs(gradient)
        unsure = (np.abs(mean) < 1e-5 * around) & (around > 0)
        total = total + s["learning_rate"] * np.where(unsure, 1e17, 1.0)
        # The decay's factor is rounded alike at every step.
        total = total + np.abs(weight) / 2 * (s["weight_decay"] > 0)
        m = s["beta2"] * m + (1 - s["beta2"]) * gradient
        size = s["beta2"] * size + (1 - s["beta2"]) * np.abs(gradient)
    return total


@card.invariant("gradients twice as large give the same steps", broken_by="no-sign")
def _any_size(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    other = of.run(changed(case, gradients=lambda g: 2 * g))
    yield Finding(other["y"].astype(np.float64), result["y"].astype(np.float64), scales["y"])


@card.invariant("a step is one learning rate long, or none", broken_by="sign-of-zero")
def _one_rate(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if len(case.static["gradients"]) == 1 and not case.static["weight_decay"]:
        (weight,), gradient = case.inputs.values(), case.static["gradients"][0]
        moved = np.abs(result["y"].astype(np.float64) - weight)
        yield Finding(moved, case.static["learning_rate"] * (gradient != 0), scales["y"])


def _step(name: str, wrong: str, **seen: Any) -> Any:
    return card.wrong_method(name, wrong, lion_update, **seen)


def _formula(sign: Any = np.sign, downhill: int = 1, decay: Any = None, late: bool = False) -> Any:
    """Lion with one of its parts replaced."""

    def update(weight, gradient, m, spare, *, learning_rate, beta1, beta2, weight_decay):
        if late:
            m[...] = beta2 * m + (1 - beta2) * gradient
        mean = sign(beta1 * m + (1 - beta1) * gradient)
        if decay is None:
            weight *= 1 - learning_rate * weight_decay
        else:
            mean = decay(mean, weight, weight_decay)
        weight -= downhill * learning_rate * mean
        if not late:
            m[...] = beta2 * m + (1 - beta2) * gradient

    return update


_step("memory-before-the-step", "the mean takes the gradient in before the step is made")(
    _formula(late=True)
)
_step("no-sign", "the step is the mean itself, not its sign")(_formula(lambda mean: mean))
_step("uphill", "the step goes up the gradient")(_formula(downhill=-1))
_step("sign-of-zero", "a mean of 0 counts as negative, so that a weight that is not used moves")(
    _formula(lambda mean: np.where(mean > 0, 1.0, -1.0).astype(mean.dtype))
)
_step("decay-without-rate", "the decay is not scaled by the learning rate")(
    _formula(decay=lambda sign, weight, decay: sign)
)
_step("decay-under-the-sign", "the decay is added before the sign is taken, and drowns in it")(
    _formula(decay=lambda sign, weight, decay: np.sign(sign + decay * weight))
)


@_step("betas-exchanged", "beta1 and beta2 have changed places")
def _exchanged(weight, gradient, m, spare, *, beta1, beta2, **settings):
    lion_update(weight, gradient, m, spare, beta1=beta2, beta2=beta1, **settings)


@_step("one-beta", "beta1 serves the memory too, as in momentum")
def _one_beta(weight, gradient, m, spare, *, beta1, beta2, **settings):
    lion_update(weight, gradient, m, spare, beta1=beta1, beta2=beta1, **settings)
