"""The card of dropout's module."""

from __future__ import annotations

from typing import Any

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
