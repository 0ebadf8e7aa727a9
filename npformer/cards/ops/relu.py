"""The card of the ReLU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.elementwise import WORDS, draw_elementwise
from npformer.cards.invariant import Finding
from npformer.cards.op_card import Library, OpCard
from npformer.cards.scales import FloatInfo, Scales
from npformer.ops import relu

card = OpCard.of(relu)
card.owner = "Activation"
card.draw(draw_elementwise)
card.kink = 0.0
card.words = WORDS
card.library = Library("relu", lambda input, inplace=False: {"x": input}, lambda f, a: f(a["x"]))
card.edge("the kink", {"x": [0.0, -0.0, 1.0, -1.0]})


@card.scale
def scale(x: Array, *, dy: Array, fp: FloatInfo) -> Scales:
    """Selections are exact."""
    return {"y": np.abs(x) + fp.tiny, "dx": np.abs(dy) + fp.tiny}


@card.invariant("no gradient where x <= 0", broken_by="leaky")
def _closed(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """At the kink itself the derivative is 0, as in PyTorch's relu."""
    yield Finding(result["dx"][~(case.inputs["x"] > 0)], 0.0, 0.0)


@card.invariant("all of it where x > 0", broken_by="times-y")
def _open_side(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    open_ = case.inputs["x"] > 0
    yield Finding(result["dx"][open_], case.dy[open_], 0.0)


@card.wrong_backward(
    "open-at-zero",
    "the mask is y >= 0, which holds everywhere: every gradient passes",
    beyond_forward=True,
)
def _open(dy, cache):
    return np.where(cache.y >= 0, dy, 0)


@card.wrong_backward("times-y", "the gradient is multiplied by y, not by the sign of y")
def _times(dy, cache):
    return dy * cache.y


@card.wrong_backward("mask-of-dy", "the mask is taken of dy")
def _mask_of_dy(dy, cache):
    return np.where(dy > 0, dy, 0)


@card.wrong_backward("leaky", "a hundredth of the gradient passes where x < 0")
def _leaky(dy, cache):
    return np.where(cache.y > 0, dy, dy.dtype.type(0.01) * dy)
