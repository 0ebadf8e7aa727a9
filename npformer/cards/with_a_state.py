"""What the cards of layers that keep a state have in common.

A row may hold several texts: ``at`` (B, T) counts the positions of each from 0, and the state
begins anew with each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_documents, draw_lengths
from npformer.cards.module_invariants import adds_up, gathers
from npformer.cards.strategies import Source
from npformer.ops.masks import document_positions


def card_with_a_state(cls: Any, parameters: dict[str, str], *, gathered: str) -> ModuleCard:
    """The card of such a layer, with its cases, its invariants and what breaks them.

    ``gathered`` is a parameter: one wrong version replaces its gradient, which is to be added to.
    """
    card = ModuleCard.of(cls)
    card.inputs, card.output = {"x": "BTD"}, "BTD"
    card.parameters = parameters
    card.plain = lambda case: case.static["at"] is None
    card.words = {"dx": "the sum of what its projections return"}
    card.draw(_draw)
    replaced = f"{gathered.removeprefix('log_')}-replaced"
    card.invariant("two parts of a batch add up to the whole", "first-text-only")(adds_up("at"))
    card.invariant("a second backward adds to the first", replaced)(gathers)
    apart = "a text is what it is whatever the texts before it are"
    card.invariant(apart, "begins-forgotten")(_texts_apart)

    @card.wrong_method("begins-forgotten", "a row's texts are one: a later one reads what an "
                       "earlier one wrote", cls.forward)  # fmt: skip
    def _forgotten(self, x, *, at=None, kept=None):
        y, cache = self.forward(x)
        return y, cache if at is None else self.forward(x, at=at)[1]

    @card.wrong_method("first-text-only", "rows but the first one have no gradient", cls.backward)
    def _first(self, dy, cache):
        return self.backward(np.where(np.arange(len(dy))[:, None, None], 0, dy), cache)

    @card.wrong_method(replaced, f"{gathered}'s gradient takes the place of what was gathered",
                       cls.backward)  # fmt: skip
    def _replaced(self, dy, cache):
        getattr(self, gathered).grad = None
        return self.backward(dy, cache)

    return card


def _draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Keys of their own and shared ones; a text a row and several."""
    b, t, _ = draw_lengths(source)
    keys, shared = source.choice((1, 2)), source.choice((1, 2))
    documents = draw_documents(source, (b, t))
    settings = {
        "key_heads": keys,
        "key_size": source.choice((3, 1)),
        "value_size": source.choice((2, 4)),
        "width": source.choice((4, 1, 2)),
    }
    static = {
        "build": (5, keys * shared),
        "settings": settings,
        "at": None if documents is None else document_positions(documents),
    }
    return {"B": b, "T": t, "D": 5, "N": keys * shared}, static


def _texts_apart(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """What comes before the last begin of each row is turned about."""
    at, x = case.static["at"], case.inputs["x"]
    if at is None or not at.size:
        return
    last = at.shape[1] - 1 - np.argmax(at[:, ::-1] == 0, axis=1)  # (B,)
    own = np.arange(at.shape[1]) >= last[:, None]
    changed = np.where(own[:, :, None], x, -3 * x)
    y = component.forward(case.with_inputs({"x": changed}))
    yield Finding(y[own], result["y"][own], 2 * scales["y"][own])
