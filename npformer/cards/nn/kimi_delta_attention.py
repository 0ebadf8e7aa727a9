"""The card of Kimi's delta attention."""

from __future__ import annotations

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.with_a_state import card_with_a_state
from npformer.nn.kimi_delta_attention import KimiDeltaAttention
from npformer.ops.chunked_gated_delta_rule import chunked_gated_delta_rule_backward
from npformer.ops.decay_gate import decay_gate_backward
from npformer.ops.sigmoid import sigmoid_forward
from npformer.ops.silu import silu_forward

card = card_with_a_state(KimiDeltaAttention, {"log_rate": "N"}, gathered="log_rate")


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
