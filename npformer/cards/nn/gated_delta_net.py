"""The card of the gated delta net."""

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
from npformer.nn.gated_delta_net import GatedDeltaNet
from npformer.ops.causal_conv1d import causal_conv1d_backward
from npformer.ops.chunked_gated_delta_rule import chunked_gated_delta_rule_backward
from npformer.ops.decay_gate import decay_gate_backward
from npformer.ops.masks import document_positions
from npformer.ops.rms_norm import rms_norm_backward
from npformer.ops.sigmoid import sigmoid_backward
from npformer.ops.swiglu import swiglu_backward

card = ModuleCard.of(GatedDeltaNet)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.parameters = {"log_rate": "N", "decay_bias": "N"}
card.plain = lambda case: case.static["at"] is None
card.words = {"dx": "the sum of what its projections return"}


def draw_states(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
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


card.draw(draw_states)
card.invariant("two parts of a batch add up to the whole", "first-text-only")(adds_up("at"))
card.invariant("a second backward adds to the first", "rate-replaced")(gathers)


def texts_apart(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """What comes before the last begin of each row is turned about."""
    at, x = case.static["at"], case.inputs["x"]
    if at is None or not at.size:
        return
    last = at.shape[1] - 1 - np.argmax(at[:, ::-1] == 0, axis=1)  # (B,)
    own = np.arange(at.shape[1]) >= last[:, None]
    changed = np.where(own[:, :, None], x, -3 * x)
    y = component.forward(case.with_inputs({"x": changed}))
    yield Finding(y[own], result["y"][own], 2 * scales["y"][own])


APART = "a text is what it is whatever the texts before it are"
card.invariant(APART, "begins-forgotten")(texts_apart)


@card.wrong_method("begins-forgotten", "a row's texts are one: a later one reads what an earlier "
                   "one wrote", GatedDeltaNet.forward)  # fmt: skip
def _forgotten(self, x, *, at=None, kept=None):
    y, cache = self.forward(x)
    return y, cache if at is None else self.forward(x, at=at)[1]


@card.wrong_method("first-text-only", "rows but the first one have no gradient",
                   GatedDeltaNet.backward)  # fmt: skip
def _first(self, dy, cache):
    return self.backward(np.where(np.arange(len(dy))[:, None, None], 0, dy), cache)


@card.wrong_method("rate-replaced", "log_rate's gradient takes the place of what was gathered",
                   GatedDeltaNet.backward)  # fmt: skip
def _replaced(self, dy, cache):
    self.log_rate.grad = None
    return self.backward(dy, cache)


@card.wrong_method("shared-keys-averaged", "keys that several heads read get the mean over them",
                   GatedDeltaNet.backward)  # fmt: skip
def _averaged(self, dy, cache):
    shared, summed = self.heads // self.key_heads, self._summed
    self._summed = lambda dx: summed(dx) / shared
    try:
        return self.backward(dy, cache)
    finally:
        del self._summed


@card.wrong_method("beta-detached", "beta is taken for a constant", sigmoid_backward)
def _beta(dy, cache):
    return np.zeros_like(dy)


@card.wrong_method("decay-detached", "the decay is taken for a constant", decay_gate_backward)
def _decay(dy, cache):
    return tuple(np.zeros_like(d) for d in decay_gate_backward(dy, cache))


@card.wrong_method("gate-detached", "the gate of the output is taken for a constant",
                   swiglu_backward)  # fmt: skip
def _gate(dy, cache):
    dgate, dup = swiglu_backward(dy, cache)
    return np.zeros_like(dgate), dup


@card.wrong_method("length-constant", "a key's length is taken for a constant", rms_norm_backward)
def _length(dy, cache):
    if cache.scale is not None:
        return rms_norm_backward(dy, cache)
    return dy * cache.rstd, None


@card.wrong_method("history-detached", "what a window looks back on is taken for a constant",
                   causal_conv1d_backward)  # fmt: skip
def _history(dy, cache):
    _, dweight, dbias = causal_conv1d_backward(dy, cache)
    return dy * cache.weight[:, -1], dweight, dbias


@card.wrong_method("keys-detached", "only queries and values get what the recurrence sends back",
                   chunked_gated_delta_rule_backward)  # fmt: skip
def _keys(dy, cache):
    dq, dk, *others = chunked_gated_delta_rule_backward(dy, cache)
    return dq, np.zeros_like(dk), *others
