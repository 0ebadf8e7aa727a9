"""The card of Adafactor."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.optimizer_card import OptimizerCard, Settings, changed
from npformer.cards.ordinary import DESCENDS, only
from npformer.optim.adafactor import DECAY, Adafactor, adafactor_update

card = OptimizerCard.of(Adafactor)
card.static = {"eps": (1e-8, 1e-9, 1e-3), "weight_decay": (0.0, 0.1)}
card.rates = (0.1, 1e-3, 1.0)
card.least = dict.fromkeys("abc", 1)  # PyTorch divides by the number of entries
card.weights = ({"weight": "ab"}, {"weight": "a"}, {"weight": "abc"})


@card.scale
def _scale(weight: Array, gradients: Array, s: Settings) -> Array:
    """The weight and every step's size: its factors are sums of squares, which cancel nothing."""
    total, own = np.abs(weight), weight.copy()
    squares = _fresh(weight)
    for step, gradient in enumerate(gradients, 1):
        before = own.copy()
        settings = {"learning_rate": s["learning_rate"], "eps": s["eps"], "weight_decay": 0.0}
        adafactor_update(own, gradient, squares, step=step, **settings)
        total = total + 4 * np.abs(own - before)
    return total


def _fresh(weight: Array) -> tuple[Array, ...]:
    if weight.ndim < 2:
        return (np.zeros_like(weight),)
    return np.zeros_like(weight[..., :1]), np.zeros_like(weight[..., :1, :])


def _rms(a: Array) -> float:
    return math.sqrt(np.square(a, dtype=np.float64).mean()) if a.size else 0.0


def _formula(**changes: Any) -> Any:
    """Adafactor with some of its parts replaced."""

    def update(weight, gradient, squares, *, step, learning_rate, eps, weight_decay):
        part = {**_PARTS, **changes}
        share = part["share"](step)
        size = part["size"](weight) * part["rate"](learning_rate, step)
        weight *= 1 - learning_rate * weight_decay
        square = gradient**2
        if len(squares) == 2:
            row, col = squares
            row += share * (square.mean(-1, keepdims=True) - row)
            col += share * (square.mean(-2, keepdims=True) - col)
            v = part["joined"](row, col, eps)
        else:
            (v,) = squares
            v += share * (square - v)
        u = gradient / part["root"](v, eps)
        weight -= (size / part["clip"](u) * u).astype(weight.dtype)

    return update


_PARTS: dict[str, Any] = {
    "share": lambda t: t**DECAY,
    "size": lambda weight: max(1e-3, _rms(weight)),
    "rate": lambda rate, t: min(rate, 1 / math.sqrt(t)),
    "joined": lambda row, col, eps: row / np.maximum(row.mean(-2, keepdims=True), eps) * col,
    "root": lambda v, eps: np.maximum(np.sqrt(v), eps),
    "clip": lambda u: max(1.0, _rms(u)),
}


@card.invariant("a transposed matrix takes the transposed steps", broken_by="rows-not-normalised")
def _transposed(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    (weight,) = case.inputs.values()
    if weight.ndim == 2:
        turned = changed(
            case, weight=lambda w: w.T.copy(), gradients=lambda g: g.swapaxes(1, 2).copy()
        )
        yield Finding(
            of.run(turned)["y"].T.astype(np.float64), result["y"].astype(np.float64), scales["y"]
        )


@card.invariant("no step is larger than the rate, in units of the weight", broken_by="no-clipping")
def _bounded(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    (weight,), s = case.inputs.values(), case.static
    if len(s["gradients"]) == 1 and not s["weight_decay"]:
        moved = _rms(result["y"].astype(np.float64) - weight)
        over = moved - max(1e-3, _rms(weight)) * min(s["learning_rate"], 1.0)
        yield Finding(np.asarray(max(over, 0.0)), 0.0, np.asarray(scales["y"].max(initial=0.0)))


def _step(name: str, wrong: str, changes: Any, **seen: Any) -> None:
    card.wrong_method(name, wrong, adafactor_update, **seen)(_formula(**changes))


SMALL = "weight (1,), gradients (1, 1)"

_step("clip-the-other-way", "the update is divided by min(1, RMS) in the place of max(1, RMS)",
      {"clip": lambda u: min(1.0, _rms(u)) or 1.0},
      seen="huggingface/pytorch-image-models#2790", smallest=SMALL, missed_by=DESCENDS)  # fmt: skip
_step("rows-not-normalised", "the mean of the rows' squares is taken over the wrong axis: no row is"
      " divided, where a matrix is tall",
      {"joined": lambda row, col, eps: (
          _PARTS["joined"](row, col, eps) if row.shape[-2] <= col.shape[-1] else col + 0 * row
      )},
      seen="huggingface/pytorch-image-models#2749",
      smallest="weight (2, 1), gradients (1, 2, 1)",
      missed_by=only("matrices that are not tall", lambda c: c.inputs["weight"].ndim < 2
                     or c.inputs["weight"].shape[-2] <= c.inputs["weight"].shape[-1]))  # fmt: skip
_step("rows-undivided", "the product of rows and columns is not divided by their mean",
      {"joined": lambda row, col, eps: row * col})  # fmt: skip
_step("sum-for-mean", "the product of rows and columns is divided by the rows' sum",
      {"joined": lambda row, col, eps: _PARTS["joined"](row, col, eps) / len(row)})  # fmt: skip
_step("beta-fixed", "the mean of squares forgets at one rate, 0.999, from the start",
      {"share": lambda t: 1e-3})  # fmt: skip
_step("no-clipping", "the update is not clipped", {"clip": lambda u: 1.0})
_step("size-of-one", "the step is not scaled by the parameter's own size",
      {"size": lambda weight: 1.0})  # fmt: skip
_step("rate-not-bounded", "1 / sqrt(t) does not bound the rate", {"rate": lambda rate, t: rate})
_step("rate-divided", "the rate is divided by sqrt(t), which is only to bound it",
      {"rate": lambda rate, t: rate / math.sqrt(t)})  # fmt: skip
_step("eps-beside-the-root", "eps is added to the root, where it is its least value",
      {"root": lambda v, eps: np.sqrt(v) + eps})  # fmt: skip
