"""The card of the GELU, in both of its forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case
from npformer.cards.elementwise import GATED, WORDS, draw_elementwise, gated
from npformer.cards.normal import normal_distribution
from npformer.cards.op_card import Library, OpCard
from npformer.cards.ordinary import only, option
from npformer.cards.pytorch import torch
from npformer.cards.scales import FloatInfo, Scales, logistic
from npformer.cards.strategies import Source
from npformer.ops import gelu
from npformer.ops.gelu import GeluCache, gelu_backward, gelu_forward

card = OpCard.of(gelu)
card.owner = "Activation"
card.invariant(GATED, broken_by="density-without-x")(gated)
card.words = WORDS
card.library = Library(
    "gelu",
    lambda input, *, approximate="none": {"x": input, "approximate": approximate},
    lambda f, a: f(a["x"], approximate=a["approximate"]),
)
card.variants = ({"approximate": "tanh"},)
card.edge("the tails", {"x": [-30.0, -12, -6, -3, 3, 6, 12, 30]})
card.edge("the tails, tanh", {"x": [-30.0, -9, -6, -3, 3, 6, 9, 30]}, approximate="tanh")


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Both formulas; x = -12 is far in the tail."""
    case = draw_elementwise(source, dtype)
    return Case(case.inputs, {"approximate": source.choice(("none", "tanh"))}, case.dy)


@card.scale
def scale(x: Array, *, approximate: str, dy: Array, fp: FloatInfo) -> Scales:
    """y = x gate and dx = dy (gate + x gate'). In the left tail Phi is conditioned like
    exp(-x^2 / 2), by a factor 1 + x^2; the tanh form's gate like exp(2u), by 1 + 2 |u|.

    The scale is relative to y itself, in both tails: 1 + erf there, which loses everything, fails.
    """
    near = np.minimum(np.abs(x), 1e2)  # farther out both derivatives are 0 or 1 in every dtype
    if approximate == "tanh":
        # The gate is the logistic function of 2u, and its slope gate (1 - gate) (2u)'.
        u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        slope = 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
        upper, lower = logistic(2 * u), logistic(-2 * u)
        # 1 - gate is off by as much as the gate is, but by no more than itself.
        lower = lower + np.minimum(upper, lower / fp.eps)
        density, condition, reach = upper * lower * slope, 1 + 2 * np.abs(u), near * slope
    else:
        upper = np.array([0.5 * math.erfc(-t / math.sqrt(2)) for t in x.ravel()]).reshape(x.shape)
        density = np.exp(-np.minimum(x * x, 1e4) / 2) / math.sqrt(2 * math.pi)
        condition = 1 + np.where(x < 0, near * near, 0.0)
        reach = near
    bell = near * density * (1 + near * near)
    flush = fp.tiny / fp.eps  # the gate 1 / (1 + exp(t)) is 0 where exp(t) overflows
    return {
        "y": np.abs(x) * (upper * condition + flush) + fp.tiny,
        "dx": np.abs(dy) * (upper * condition + bell + flush * (1 + reach))
        + fp.tiny * (1 + near**3),
    }


def _precise(x: torch.Tensor, *, approximate: str) -> torch.Tensor:
    """x Phi(x) by erfc; the tanh form by the logistic function it equals, (1 + tanh u) / 2.

    PyTorch computes x (1 + erf(x / sqrt 2)) / 2, and its tanh form likewise: in the left tail
    1 + erf cancels, and at x = -9 no digit is left.
    """
    # Beneath -40 both are 0 in float64; the clamp keeps 0 * inf out of the gradient.
    near = x.clamp(min=-40.0)
    if approximate == "tanh":
        return near * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (near + 0.044715 * near**3))
    return near * (0.5 * torch.special.erfc(near * -math.sqrt(0.5)))


def _extended_forward(x: Array, *, approximate: str) -> tuple[Array, Any]:
    """GELU in extended precision, for which the op's rational approximation is not made."""
    if approximate == "tanh":
        return gelu_forward(x, approximate="tanh")
    return np.maximum(x, -40) * normal_distribution(x), x


def _extended_backward(dy: Array, cache: Any) -> Array:
    """Its derivative, Phi(x) + x phi(x)."""
    if not isinstance(cache, np.ndarray):
        return gelu_backward(dy, cache)
    x = np.clip(cache, -40, 40)
    pi = 4 * np.arctan(x.dtype.type(1))
    return dy * (normal_distribution(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * pi))


card.precise = _precise
card.extended = (_extended_forward, _extended_backward)


def _library_scales(scales: Scales, arguments: dict[str, Any], dy: Any) -> Scales:
    """PyTorch's (1 + erf) / 2 and (1 + tanh) / 2 cancel in the left tail: that is its own."""
    x = np.abs(arguments["x"])
    return {"y": scales["y"] + x, "dx": scales["dx"] + np.abs(dy) * (1 + x)}


card.library_scales = _library_scales


def _exact(function):
    """A wrong derivative of the exact form; the tanh form stays right."""

    def backward(dy, cache):
        if cache.approximate != "none":
            return gelu_backward(dy, cache)
        return function(dy, cache)

    return backward


@card.wrong_backward("density-dropped", "the density term x phi(x) is left out")
@_exact
def _no_density(dy, cache):
    return dy * cache.gate


@card.wrong_backward("density-without-x", "the density term lacks its factor x")
@_exact
def _no_x(dy, cache):
    density = np.exp(-cache.x * cache.x / 2) / math.sqrt(2 * math.pi)
    return (dy * (cache.gate + density)).astype(dy.dtype)


@card.wrong_backward("density-without-root", "the density lacks 1 / sqrt(2 pi)")
@_exact
def _no_root(dy, cache):
    return dy * (cache.gate + cache.x * np.exp(-cache.x * cache.x / 2))


@card.wrong_backward(
    "forms-exchanged",
    "the exact form's derivative is used for the tanh form",
    seen="kulinseth/pytorch#284",
    smallest="x (1,)",
    missed_by=option("the exact form", approximate="none"),
)
def _exchanged(dy, cache):
    return gelu_backward(dy, cache._replace(approximate="none"))


@card.wrong_backward("inner-cube-dropped", "the tanh form's inner derivative lacks its cubic term")
def _inner(dy, cache):
    if cache.approximate == "none":
        return gelu_backward(dy, cache)
    slope = 2 * math.sqrt(2 / math.pi) * cache.gate * (1 - cache.gate)
    return dy * (cache.gate + cache.x * slope)


@card.wrong_forward(
    "tail-cancels", "Phi is (1 + erf) / 2, which loses every digit in the left tail"
)
def _tail(x, *, approximate="none"):
    y, cache = gelu_forward(x, approximate=approximate)
    if approximate != "none":
        return y, cache
    erf = np.vectorize(math.erf, otypes=[np.float64])(x * math.sqrt(0.5)).astype(x.dtype)
    gate = x.dtype.type(0.5) * (1 + erf)
    return x * gate, GeluCache(x, gate, approximate)


@card.wrong_forward("constants-rounded", "the tanh form's constants are rounded to 0.8 and 0.0447")
def _rounded(x, *, approximate="none"):
    if approximate == "none":
        return gelu_forward(x)
    gate = (1 / (1 + np.exp(-2 * 0.8 * (x + 0.0447 * x**3)))).astype(x.dtype)
    return x * gate, GeluCache(x, gate, approximate)


@card.wrong_forward("quick", "x sigmoid(1.702 x) is used for the exact form")
def _quick(x, *, approximate="none"):
    if approximate != "none":
        return gelu_forward(x, approximate=approximate)
    gate = (1 / (1 + np.exp(-1.702 * x))).astype(x.dtype)
    return x * gate, GeluCache(x, gate, approximate)


@card.wrong_backward(
    "derivative-cancels-in-the-tail",
    "the derivative's Phi is (1 + erf) / 2, which loses every digit in the left tail",
    beyond_forward=True,
    seen="tenstorrent/tt-metal#38643",
    smallest="x (1,)",
    missed_by=only("inputs between -3 and 3", lambda case: np.all(np.abs(case.inputs["x"]) < 3)),
)
@_exact
def _derivative_tail(dy, cache):
    erf = np.vectorize(math.erf, otypes=[np.float64])(cache.x * math.sqrt(0.5)).astype(dy.dtype)
    density = np.exp(-cache.x * cache.x / 2) / math.sqrt(2 * math.pi)
    return (dy * (dy.dtype.type(0.5) * (1 + erf) + cache.x * density)).astype(dy.dtype)
