"""The card of Adam."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.cards.optimizer_card import OptimizerCard, Settings
from npformer.cards.ordinary import DESCENDS, Ordinary
from npformer.optim.adam import Adam, adam_update

card = OptimizerCard.of(Adam)
card.static = {
    "beta2, eps": ((0.98, 1e-9), (0.999, 1e-8), (0.9, 1e-3)),  # the paper's, PyTorch's, large
    "beta1": (0.9, 0.0),
    "weight_decay": (0.0, 0.1),
}


def adam_scale(weight: Array, gradients: Array, s: Settings, coupled: float) -> Array:
    """The weight and every step's size; a step is as well conditioned as its gradients.

    A mean of gradients of both signs is off by eps times the mean of their sizes; weight
    decay, where it is ``coupled``, mixes the weight into the gradient, and both their errors.
    """
    total, own = np.abs(weight), weight.copy()
    m, v, mean = (np.zeros_like(weight) for _ in range(3))
    for step, gradient in enumerate(gradients, 1):
        signed = gradient + coupled * own  # what the moments take in: the decay may cancel it
        g = np.abs(gradient) + coupled * total
        m = s["beta1"] * m + (1 - s["beta1"]) * g
        v = s["beta2"] * v + (1 - s["beta2"]) * signed**2
        root = np.sqrt(v / (1 - s["beta2"] ** step)) + s["eps"]
        quotient = m / (1 - s["beta1"] ** step) / root
        mean = s["beta1"] * mean + (1 - s["beta1"]) * signed
        own = own - s["learning_rate"] * mean / (1 - s["beta1"] ** step) / root
        # root's own relative error grows where decay cancelled the gradient: g over root.
        total = total + s["learning_rate"] * quotient * (1 + g / root)
    return total


@card.scale
def _scale(weight: Array, gradients: Array, settings: Settings) -> Array:
    return adam_scale(weight, gradients, settings, settings["weight_decay"])


def _adam_step(name: str, wrong: str, **seen: Any) -> Any:
    return card.wrong_method(name, wrong, adam_update, **seen)


def _usual(case):
    """The case with gradients between 0.3 and 10, and PyTorch's eps."""
    gradients = case.static["gradients"]
    usual = np.where(gradients < 0, -1, 1) * np.clip(np.abs(gradients), 0.3, 10)
    return dataclasses.replace(case, static={**case.static, "gradients": usual, "eps": 1e-8})


USUAL = Ordinary("gradients of ordinary size", _usual)
ONE = "weight (1, 1), gradients (1, 1, 1)"


def _moments(gradient, m, v, beta1, beta2):
    m *= beta1
    m += (1 - beta1) * gradient
    v *= beta2
    v += (1 - beta2) * gradient * gradient


@_adam_step("no-bias-correction", "neither moment is corrected for starting at zero",
            seen="oxiglade/mlx-rs#301", smallest=ONE, missed_by=DESCENDS)  # fmt: skip
def _uncorrected(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    _moments(gradient, m, v, beta1, beta2)
    weight -= learning_rate * m / (np.sqrt(v) + eps)


@_adam_step("second-moment-uncorrected", "the second moment is not corrected for starting at zero")
def _half_corrected(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    _moments(gradient, m, v, beta1, beta2)
    weight -= learning_rate * m / (1 - beta1**step) / (np.sqrt(v) + eps)


@_adam_step("eps-inside-the-root", "eps is inside the root",
            seen="d2l-ai/d2l-zh#502", smallest=ONE, missed_by=USUAL)  # fmt: skip
def _inside(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    _moments(gradient, m, v, beta1, beta2)
    root = np.sqrt(v / (1 - beta2**step) + eps)
    weight -= learning_rate * m / (1 - beta1**step) / root


@_adam_step("eps-before-correction", "eps is added to the uncorrected root",
            seen="karpathy/nanochat#304", smallest=ONE, missed_by=USUAL)  # fmt: skip
def _before(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    _moments(gradient, m, v, beta1, beta2)
    rate = learning_rate * np.sqrt(1 - beta2**step).item() / (1 - beta1**step)
    weight -= rate * m / (np.sqrt(v) + eps)


@_adam_step("corrections-multiplied", "the moments are multiplied by 1 - beta^t, not divided",
            seen="karpathy/convnetjs#107", smallest=ONE, missed_by=DESCENDS)  # fmt: skip
def _multiplied(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    _moments(gradient, m, v, beta1, beta2)
    root = np.sqrt(v * (1 - beta2**step)) + eps
    weight -= learning_rate * m * (1 - beta1**step) / root


@_adam_step("multiplied-by-root", "the root multiplies where its reciprocal belongs")
def _reciprocal(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    _moments(gradient, m, v, beta1, beta2)
    root = np.sqrt(v / (1 - beta2**step)) + eps
    weight -= learning_rate * m / (1 - beta1**step) * root


@_adam_step("square-of-the-mean", "v is the square of the mean, not the mean of squares")
def _square(
    weight, gradient, m, v, spare, *, step, learning_rate, beta1, beta2, eps
):  # fmt: skip
    m *= beta1
    m += (1 - beta1) * gradient
    v[...] = m * m
    root = np.sqrt(v / (1 - beta2**step)) + eps
    weight -= learning_rate * m / (1 - beta1**step) / root


@_adam_step("steps-from-zero", "the correction counts steps from 2, as after one too many")
def _late(weight, gradient, m, v, spare, *, step, **settings):
    adam_update(weight, gradient, m, v, spare, step=step + 1, **settings)


@_adam_step("uphill", "the step goes up the gradient")
def _uphill(weight, gradient, m, v, spare, *, learning_rate, **settings):
    adam_update(weight, gradient, m, v, spare, learning_rate=-learning_rate, **settings)
