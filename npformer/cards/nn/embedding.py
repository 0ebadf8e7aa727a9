"""The card of the embedding."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.module_card import ModuleCard
from npformer.cards.strategies import Source, draw_rng, draw_sizes
from npformer.nn.embedding import Embedding

card = ModuleCard.of(Embedding)
card.output, card.parameters = "BTD", {"weight": "VD"}
card.call_twin = lambda module, inputs, keywords: module(keywords["ids"])
card.frozen = lambda case: {"weight": case.static["build"][2]}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Ids (B, T), with and without a padding row."""
    z = draw_sizes(source, "BTVD", {"V": 1, "D": 1})
    padding = source.choice((None, 0, z["V"] - 1))
    ids = draw_rng(source).integers(0, z["V"], (z["B"], z["T"]))
    return z, {"build": (z["V"], z["D"], padding), "ids": ids}


@card.wrong_method(
    "repeats-lost", "of a token's places only the last one's gradient counts", Embedding.backward
)
def _last_place(self, dy, cache):
    dweight = np.zeros_like(self.weight.data)
    dweight[cache.ids] = dy
    if cache.padding_idx is not None:
        dweight[cache.padding_idx] = 0
    self.weight.accumulate(dweight)


@card.wrong_method("padding-trained", "the padding row is trained too", Embedding.backward)
def _padding(self, dy, cache):
    self.backward(dy, cache._replace(padding_idx=None))
