"""The card of the embedding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import gathers, zeros_elsewhere
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


def _trained(case: Case) -> Array:
    """The ids that get a gradient."""
    return np.setdiff1d(case.static["ids"], [case.static["build"][2]])


card.invariant("what is not in the text, and padding, gets 0", broken_by="padding-trained")(
    zeros_elsewhere("weight", lambda case: _trained(case).astype(np.int64))
)
card.invariant("a second backward adds to the first", broken_by="replaced")(gathers)


@card.invariant("the table's gradients sum to those of the tokens", "repeats-lost")
def _total(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    dy = case.dy[np.isin(case.static["ids"], _trained(case))].astype(np.float64)  # (tokens, D)
    total = result["grad weight"].astype(np.float64).sum(axis=0)
    size = scales["grad weight"].sum(axis=0) + np.abs(dy).sum(axis=0)
    yield Finding(total, dy.sum(axis=0), size)


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


@card.wrong_method("replaced", "a gradient takes the place of what the table has gathered, where a "
                   "tied projection came first", Embedding.backward)  # fmt: skip
def _replaced(self, dy, cache):
    self.weight.grad = None
    self.backward(dy, cache)


@card.wrong_method("mean-of-the-places", "a token that comes several times gets the mean of its "
                   "places' gradients", Embedding.backward)  # fmt: skip
def _mean(self, dy, cache):
    before = 0 if self.weight.grad is None else self.weight.grad.copy()
    self.backward(dy, cache)
    counts = np.maximum(np.bincount(cache.ids.ravel(), minlength=len(self.weight.data)), 1)
    added = (self.weight.grad - before) / counts[:, None]
    self.weight.grad = (before + added).astype(self.weight.data.dtype)
