"""The card of dropout's module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_seed
from npformer.cards.ordinary import option
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.dropout import Dropout

card = ModuleCard.of(Dropout)
card.inputs, card.output = {"x": "BTD"}, "BTD"


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Some units, none, and most."""
    z = draw_sizes(source, "BTD")
    return z, {"build": (source.choice((0.3, 0.0, 0.8)),), "rng": draw_seed(source)}


@card.invariant("<dx, x> = <dy, y>", broken_by="scale-forgotten")
def _product(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """y is x times a mask that does not depend on it."""
    x = case.inputs["x"].astype(np.float64)
    left, right = (result["dx"] * x).sum(), (case.dy * result["y"].astype(np.float64)).sum()
    size = (scales["dx"] * np.abs(x)).sum() + (scales["y"] * np.abs(case.dy)).sum()
    yield Finding(left, right, size)


@card.invariant("without a generator y is x and dx is dy, bit for bit", "scaled-at-inference")
def _inference(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if case.static["rng"] is None:
        yield Finding(result["y"], case.inputs["x"], 0.0)
        yield Finding(result["dx"], case.dy, 0.0)


@card.wrong_method("forward-only", "the gradient goes back as if nothing was dropped",
                   Dropout.backward, seen="rohitg00/ai-engineering-from-scratch#17",
                   smallest="x (1, 1, 1)",
                   missed_by=option("no dropout, as at inference", rng=None))  # fmt: skip
def _all(self, dy, cache):
    return dy


@card.wrong_method("scale-forgotten", "the gradient of what was kept is not divided by 1 - p",
                   Dropout.backward)  # fmt: skip
def _unscaled(self, dy, cache):
    return self.backward(dy, cache._replace(scale=1.0))


@card.wrong_method("scaled-at-inference", "without a generator, everything is multiplied by 1 - p",
                   Dropout.forward)  # fmt: skip
def _scaled(self, x, rng=None):
    y, cache = self.forward(x, rng)
    return (y if rng is not None else y * (1 - self.p)), cache


@card.wrong_method("one-mask-for-all", "every sentence loses the units that the first one loses",
                   Dropout.forward)  # fmt: skip
def _one_mask(self, x, rng=None):
    y, cache = self.forward(x, rng)
    if cache.keep is None or not len(x):
        return y, cache
    keep = np.broadcast_to(cache.keep[:1], x.shape)
    cache = cache._replace(keep=keep)
    return x * keep * cache.scale, cache
