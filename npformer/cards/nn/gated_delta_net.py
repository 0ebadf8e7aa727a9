"""The card of the gated delta net."""

from __future__ import annotations

import numpy as np

from npformer.cards.with_a_state import card_with_a_state
from npformer.nn.gated_delta_net import GatedDeltaNet
from npformer.ops.causal_conv1d import causal_conv1d_backward
from npformer.ops.chunked_gated_delta_rule import chunked_gated_delta_rule_backward
from npformer.ops.decay_gate import decay_gate_backward
from npformer.ops.rms_norm import rms_norm_backward
from npformer.ops.sigmoid import sigmoid_backward
from npformer.ops.swiglu import swiglu_backward

card = card_with_a_state(GatedDeltaNet, {"log_rate": "N", "decay_bias": "N"}, gathered="log_rate")


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
