"""The card of Kimi's delta attention."""

from __future__ import annotations

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import adds_up, gathers
from npformer.cards.nn.gated_delta_net import APART, draw_states, texts_apart
from npformer.nn.kimi_delta_attention import KimiDeltaAttention
from npformer.ops.chunked_gated_delta_rule import chunked_gated_delta_rule_backward
from npformer.ops.decay_gate import decay_gate_backward
from npformer.ops.sigmoid import sigmoid_forward
from npformer.ops.silu import silu_forward

card = ModuleCard.of(KimiDeltaAttention)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.parameters = {"log_rate": "N"}
card.plain = lambda case: case.static["at"] is None
card.words = {"dx": "the sum of what its projections return"}
card.draw(draw_states)
card.invariant("two parts of a batch add up to the whole", "first-text-only")(adds_up("at"))
card.invariant("a second backward adds to the first", "rate-replaced")(gathers)
card.invariant(APART, "begins-forgotten")(texts_apart)


@card.wrong_method("begins-forgotten", "a row's texts are one: a later one reads what an earlier "
                   "one wrote", KimiDeltaAttention.forward)  # fmt: skip
def _forgotten(self, x, *, at=None, kept=None):
    y, cache = self.forward(x)
    return y, cache if at is None else self.forward(x, at=at)[1]


@card.wrong_method("first-text-only", "rows but the first one have no gradient",
                   KimiDeltaAttention.backward)  # fmt: skip
def _first(self, dy, cache):
    return self.backward(np.where(np.arange(len(dy))[:, None, None], 0, dy), cache)


@card.wrong_method("rate-replaced", "log_rate's gradient takes the place of what was gathered",
                   KimiDeltaAttention.backward)  # fmt: skip
def _replaced(self, dy, cache):
    self.log_rate.grad = None
    return self.backward(dy, cache)


@card.wrong_method("one-decay-a-head", "a head's channels all decay as their mean does",
                   KimiDeltaAttention.forward)  # fmt: skip
def _one_decay(self, x, **more):
    def mean(x):
        decay, cache = right(x)
        return np.broadcast_to(decay.mean(-1, keepdims=True), decay.shape), cache

    right = self._log_decay
    with altered(self, _log_decay=mean):
        return self.forward(x, **more)


@card.wrong_method("rates-averaged", "a head's rate gets the mean over its channels, not the sum",
                   KimiDeltaAttention.backward)  # fmt: skip
def _averaged(self, dy, cache):
    before = 0 if self.log_rate.grad is None else self.log_rate.grad.copy()
    dx = self.backward(dy, cache)
    self.log_rate.grad = before + (self.log_rate.grad - before) / self.key_size
    return dx


@card.wrong_method("first-channel-s-decay", "the decay's gate learns by a head's first channel",
                   chunked_gated_delta_rule_backward)  # fmt: skip
def _first_channel(dy, cache):
    *others, ddecay = chunked_gated_delta_rule_backward(dy, cache)[:5]
    return *others, np.where(np.arange(ddecay.shape[-1]) > 0, 0, ddecay)


@card.wrong_method("decay-detached", "the decay is taken for a constant", decay_gate_backward)
def _decay(dy, cache):
    return tuple(np.zeros_like(d) for d in decay_gate_backward(dy, cache))


@card.wrong_method("gate-by-silu", "the output's gate is a gated delta net's, x times a sigmoid",
                   sigmoid_forward)  # fmt: skip
def _silu(x):
    y, cache = sigmoid_forward(x)
    return (silu_forward(x)[0] if x.ndim == 4 else y), cache
