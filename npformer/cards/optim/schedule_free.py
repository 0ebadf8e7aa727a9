"""The card of schedule-free AdamW."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.optimizer_card import OptimizerCard, Settings, changed
from npformer.cards.ordinary import DESCENDS
from npformer.optim.schedule_free import ScheduleFree, interpolate, schedule_free_update

card = OptimizerCard.of(ScheduleFree)
card.static = {
    "beta2, eps": ((0.999, 1e-8), (0.98, 1e-9), (0.9, 1e-3)),
    "beta1": (0.9, 0.98, 0.0),
    "weight_decay": (0.0, 0.1),
}
card.rates = (0.1, 1e-3, 0.0)


@card.scale
def _scale(weight: Array, gradients: Array, s: Settings) -> Array:
    """z's own scale; its means x and y are no larger."""
    total, v = np.abs(weight), np.zeros_like(weight)
    for step, gradient in enumerate(gradients, 1):
        v = s["beta2"] * v + (1 - s["beta2"]) * gradient**2
        rate = s["learning_rate"] * math.sqrt(1 - s["beta2"] ** step)
        quotient = np.abs(gradient) / (np.sqrt(v) + s["eps"])
        total = total * (1 + rate * s["weight_decay"]) + 2 * rate * quotient
    return total


@card.invariant("where gradients are taken does not change the mean", broken_by="betas-exchanged")
def _any_beta(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Of gradients that are given, and without a decay, which is that of y."""
    if not case.static["weight_decay"]:
        other = of.run(changed(case, beta1=0.5))
        yield Finding(other["y"].astype(np.float64), result["y"].astype(np.float64), scales["y"])


@card.invariant("after one step all three sequences are one", broken_by="share-fixed")
def _first(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if len(case.static["gradients"]) == 1 and case.static["learning_rate"]:
        trained = result["y_training"].astype(np.float64)
        yield Finding(trained, result["y"].astype(np.float64), scales["y"])


def _step(name: str, wrong: str, **seen: Any) -> Any:
    return card.wrong_method(name, wrong, schedule_free_update, **seen)


def _changed(name: str, wrong: str, **changes: Any) -> None:
    """The step with settings replaced by functions of all of them."""

    def update(y, gradient, z, v, x, spare, **s):
        other = {key: change(s) for key, change in changes.items()}
        schedule_free_update(y, gradient, z, v, x, spare, **{**s, **other})

    _step(name, wrong)(update)


_changed("plain-last", "x is the newest z: nothing is averaged", share=lambda s: 1.0)
_changed("share-fixed", "x is a running mean of fixed length", share=lambda s: 0.1)
_changed("betas-exchanged", "beta1 and beta2 have changed places",
         beta1=lambda s: s["beta2"], beta2=lambda s: s["beta1"])  # fmt: skip


@card.wrong_method("interpolation-reversed", "y is beta1 z + (1 - beta1) x", interpolate)
def _reversed(y, z, x, spare, *, beta1):
    interpolate(y, z, x, spare, beta1=1 - beta1)


@card.wrong_method("gradient-at-the-mean", "gradients are taken at x, the mean", interpolate)
def _at_mean(y, z, x, spare, *, beta1):
    y[...] = x


@_step("decay-at-z", "the decay is of z, not of y, where the gradient was taken")
def _decay_z(y, gradient, z, v, x, spare, **s):
    schedule_free_update(z.copy(), gradient, z, v, x, spare, **s)
    interpolate(y, z, x, spare, beta1=s["beta1"])


@_step("average-of-y", "x is the mean of the y, not of the z")
def _average_y(y, gradient, z, v, x, spare, **s):
    before = x.copy()
    schedule_free_update(y, gradient, z, v, x, spare, **s)
    x[...] = before + s["share"] * (y - before)
    interpolate(y, z, x, spare, beta1=s["beta1"])


@_step("average-before-the-step", "x takes in z from before the step")
def _early(y, gradient, z, v, x, spare, **s):
    before = x + s["share"] * (z - x)
    schedule_free_update(y, gradient, z, v, x, spare, **s)
    x[...] = before
    interpolate(y, z, x, spare, beta1=s["beta1"])


@_step("eps-inside-the-root", "eps is inside the root")
def _inside(y, gradient, z, v, x, spare, *, rate, share, beta1, beta2, eps, weight_decay):
    v += (1 - beta2) * (gradient**2 - v)
    z -= rate * (gradient / np.sqrt(v + eps) + weight_decay * y)
    x += share * (z - x)
    interpolate(y, z, x, spare, beta1=beta1)


def _moving(case):
    return case if case.static["learning_rate"] and case.static["gradients"].any() else None


MOVES = dataclasses.replace(DESCENDS, narrow=_moving)


@card.wrong_method(
    "y-is-saved",
    "the model is evaluated and saved as y: the optimizer is not put into its evaluating state",
    ScheduleFree.eval,
    seen="facebookresearch/schedule_free#22",
    smallest="weight (1, 1), gradients (2, 1, 1)",
    missed_by=MOVES,
)
def _y_saved(self):
    self._training = False
