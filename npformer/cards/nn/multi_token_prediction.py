"""The card of the module that looks one token further."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_documents, draw_lengths, draw_seed, draw_settings
from npformer.cards.module_invariants import adds_up, gathers, same_product
from npformer.cards.strategies import Source
from npformer.nn.multi_token_prediction import MultiTokenPrediction
from npformer.ops.masks import document_positions, documents_mask

card = ModuleCard.of(MultiTokenPrediction)
card.inputs, card.output = {"h": "BTD", "e": "BTD"}, "BTD"
card.plain = lambda case: case.static["mask"] is None
card.words = {"dh": "what the state's norm sends back", "de": "what the token's norm sends back"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """A text a row and several; with positions that turn and without."""
    c = draw_settings(source)
    b, t, _ = draw_lengths(source)
    documents = draw_documents(source, (b, t))
    same = ("d_k", "d_v", "dropout", "norm", "norm_type", "activation")
    settings = {name: c[name] for name in same}
    if c["d_k"] is None and source.choice((False, True)):
        turning = {"name": "rotary", "max_length": 64, "rotary_width": 2, "theta": 100.0}
        settings["attention"] = {"positions": turning}
    static = {
        "build": (c["d_model"], c["heads"], c["d_ff"]),
        "settings": settings,
        "mask": None if documents is None else documents_mask(documents),
        "rng": draw_seed(source),
        "at": None if documents is None else document_positions(documents),
    }
    return {"B": b, "T": t, "D": c["d_model"], "N": c["heads"], "F": c["d_ff"]}, static


card.invariant("two parts of a batch add up to the whole", "first-sentence-s-mask")(
    adds_up("mask", "at")
)
card.invariant("a second backward adds to the first", "joining-replaced")(gathers)

NORMS = tuple(f"{norm}_norm.{name}" for norm in ("state", "token") for name in ("weight", "bias"))
card.invariant("the norms' outputs have the product that the matrix behind them has",
               broken_by="state-norm-twice")(
    same_product(NORMS, ("proj.weight",),
                 when=lambda case: case.static["settings"]["norm_type"] != "rms_norm_plus_one")
)  # fmt: skip


@card.wrong_method("first-sentence-s-mask", "every sentence is masked as the first one is",
                   MultiTokenPrediction.forward)  # fmt: skip
def _first_mask(self, h, e, mask=None, *others, **more):
    return self.forward(h, e, None if mask is None else mask[:1], *others, **more)


@card.wrong_method("joining-replaced", "the joining matrix's gradient takes the place of what was "
                   "gathered", MultiTokenPrediction.backward)  # fmt: skip
def _replaced(self, dy, cache):
    self.proj.weight.grad = None
    return self.backward(dy, cache)


@card.wrong_method("state-norm-twice", "the token's norm learns what the state's norm has to",
                   MultiTokenPrediction.backward)  # fmt: skip
def _norm_twice(self, dy, cache):
    with altered(self, token_norm=self.state_norm):
        return self.backward(dy, cache)


@card.wrong_method("tokens-first", "the matrix is given the token before the state",
                   MultiTokenPrediction.forward)  # fmt: skip
def _tokens_first(self, h, e, *others, **more):
    with altered(self, state_norm=self.token_norm, token_norm=self.state_norm):
        return self.forward(e, h, *others, **more)


@card.wrong_method("halves-exchanged", "the state gets the gradient of the token, and it the "
                   "state's", MultiTokenPrediction.backward)  # fmt: skip
def _exchanged(self, dy, cache):
    return self.backward(dy, cache)[::-1]


@card.wrong_method("state-detached", "the states that it reads are taken for constants",
                   MultiTokenPrediction.backward)  # fmt: skip
def _state(self, dy, cache):
    dh, de = self.backward(dy, cache)
    return np.zeros_like(dh), de


@card.wrong_method("token-detached", "the embedding learns nothing of the token that it gives",
                   MultiTokenPrediction.backward)  # fmt: skip
def _token(self, dy, cache):
    dh, de = self.backward(dy, cache)
    return dh, np.zeros_like(de)


@card.wrong_method("state-not-normed", "the state is joined to the token as it is, without a norm",
                   MultiTokenPrediction.forward)  # fmt: skip
def _not_normed(self, h, e, *others, **more):
    y, cache = self.forward(h, e, *others, **more)
    _, right = self.state_norm.forward(h)
    with altered(self.state_norm, forward=lambda x: (x, right)):
        return self.forward(h, e, *others, **more)[0], cache
