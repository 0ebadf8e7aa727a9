"""The card of the soft cap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import OUTPUT
from npformer.cards.pytorch import torch
from npformer.cards.scales import FloatInfo, Scales
from npformer.cards.strategies import Source, draw_rng, rarely
from npformer.ops import softcap
from npformer.ops.softcap import SoftcapCache, softcap_backward, softcap_forward

card = OpCard.of(softcap)
card.owner = "GPT"
card.variants = ({"cap": 30.0},)
card.words = {"y": "cap tanh(x / cap)", "dx": "dy / cosh(x / cap)^2"}
card.edge("beyond the cap", {"x": [[-1e3, 1e3, 100.0, -30.0]]}, cap=30.0)
card.edge("infinite", {"x": [[-np.inf, np.inf, 1.0]]}, cap=30.0)
card.edge("no rows", {"x": np.zeros((0, 3))}, cap=1.0)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Now and then numbers of the cap's own size, where it bends them."""
    letters = source.choice(("btd", "bd", "d", "abtd"))

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        return {"cap": source.choice((30.0, 50.0, 2.0, 1.0))}

    case = draw_case(source, f"{letters} -> {letters}", ("x",), dtype, static=static)
    if rarely(source, 3):
        spread = draw_rng(source).uniform(-6, 6, case.dy.shape) * case.static["cap"]
        return case.with_inputs({"x": spread.astype(dtype)})
    return case


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return {"x": rng.standard_normal((b, 3, 4))}, {"cap": 1.5}


def _precise(x: torch.Tensor, *, cap: float) -> torch.Tensor:
    """The slope by two logistic functions, where PyTorch's 1 - tanh^2 has lost its digits."""
    small = x / cap
    slope = 4 * torch.sigmoid(2 * small) * torch.sigmoid(-2 * small)
    y = (cap * torch.tanh(small)).detach()
    through = torch.where(x.isfinite(), x - x.detach(), 0)
    return y + through * torch.where(x.isfinite(), slope, 0).detach()


card.precise = _precise


@card.scale
def scale(x: Array, *, cap: float, dy: Array, fp: FloatInfo) -> Scales:
    """An error of eps in u = x / cap turns y by u slope, and the slope by 2 u of itself."""
    u = np.abs(np.where(np.isfinite(x), x, 0.0)) / cap
    slope, flush = np.square(1 / np.cosh(u)), fp.tiny / fp.eps
    return {
        "y": np.abs(cap * np.tanh(x / cap)) + np.where(u > 0, u * slope * cap, 0.0) + fp.tiny * cap,
        "dx": np.abs(dy) * (slope * (1 + 2 * u) + flush) + fp.tiny,
    }


@card.invariant("y stays within the cap", broken_by="cap-ignored")
def _bounded(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    cap = case.static["cap"]
    beyond = np.maximum(np.abs(result["y"].astype(np.float64)) - cap, 0)
    yield Finding(beyond, 0.0, np.full(beyond.shape, cap))


@card.invariant("the sign of x turns y, and no gradient", broken_by="square-forgotten")
def _odd(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """y is odd, so its slope is even."""
    other = component.run(case.with_inputs({"x": -case.inputs["x"]}))
    yield Finding(other["y"], -result["y"], 0.0)
    yield Finding(other["dx"], result["dx"], 0.0)


@card.invariant("dx = dy (1 - (y / cap)^2)", broken_by="slope-missing")
def _own_output(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The slope is known from the output alone, with an error of about 1 eps of dy."""
    dy = case.dy.astype(np.float64)
    ratio = result["y"].astype(np.float64) / case.static["cap"]
    yield Finding(result["dx"], dy * (1 - ratio**2), np.abs(dy) * 2 + scales["dx"])


def _slope(name, wrong, slope, **seen):
    """A wrong version whose slope is ``slope(u, cap)`` at u = x / cap, below a right output."""

    def forward(x, *, cap):
        y, _ = softcap_forward(x, cap=cap)
        return y, SoftcapCache(slope(x / x.dtype.type(cap), cap).astype(x.dtype))

    card.wrong_forward(name, wrong, **seen)(forward)


_slope(
    "slope-missing",
    "the cap is left out of the backward: dx = dy",
    lambda u, cap: np.ones_like(u),
    seen="Dao-AILab/flash-attention#1065",
    smallest="x (1,)",
    missed_by=OUTPUT,
)
_slope(
    "slope-at-y",
    "the slope is taken at y, which is capped already, in place of x",
    lambda u, cap: 1 - np.tanh(np.tanh(u)) ** 2,
)
_slope(
    "over-cap", "the cap before tanh is left out of dx", lambda u, cap: (1 - np.tanh(u) ** 2) / cap
)
_slope(
    "times-cap", "the cap inside tanh is left out of dx", lambda u, cap: (1 - np.tanh(u) ** 2) * cap
)
_slope(
    "square-forgotten", "the slope is 1 - tanh, without the square", lambda u, cap: 1 - np.tanh(u)
)
_slope("slope-of-logistic", "the slope is tanh (1 - tanh), as the logistic function's is",
       lambda u, cap: np.tanh(u) * (1 - np.tanh(u)))  # fmt: skip
_slope("slope-of-a-clamp", "dx is dy within the cap and 0 beyond it, as a clamp's is",
       lambda u, cap: np.abs(u) < 1)  # fmt: skip
_slope("digits-lost", "the slope is 1 - tanh^2, which cancels to 0 where tanh rounds to 1",
       lambda u, cap: 1 - np.tanh(u) ** 2)  # fmt: skip
_slope(
    "slope-overflows",
    "the slope is 4 e / (1 + e)^2 with e = exp(2 x / cap), which is inf / inf far out",
    lambda u, cap: 4 * np.exp(2 * u) / (1 + np.exp(2 * u)) ** 2,
)


def _other(name, wrong, function):
    """A wrong output, with the right slope of what was meant."""

    def forward(x, *, cap):
        return function(x, x.dtype.type(cap)), softcap_forward(x, cap=cap)[1]

    card.wrong_forward(name, wrong)(forward)


_other("not-scaled-back", "y is not multiplied by the cap", lambda x, cap: np.tanh(x / cap))
_other("not-scaled-down", "x is not divided by the cap", lambda x, cap: cap * np.tanh(x))
_other("cap-ignored", "y = x, whatever the cap", lambda x, cap: x + 0)
_other("clamp", "x is clamped to the cap, not bent", lambda x, cap: np.clip(x, -cap, cap))


@card.wrong_backward("single-precision", "dx is computed silently in float32")
def _float32(dy, cache):
    narrow = SoftcapCache(cache.slope.astype(np.float32))
    return softcap_backward(dy.astype(np.float32), narrow).astype(dy.dtype)
