"""The card of Mamba-2's layer."""

from __future__ import annotations

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.with_a_state import card_with_a_state
from npformer.nn.mamba2 import Mamba2
from npformer.nn.module import Parameter
from npformer.ops.chunked_linear_attention import chunked_linear_attention_backward
from npformer.ops.decay_gate import decay_gate_backward
from npformer.ops.rms_norm import rms_norm_forward
from npformer.ops.swiglu import swiglu_backward

card = card_with_a_state(Mamba2, {"log_rate": "N", "decay_bias": "N", "skip": "N"}, gathered="skip")


@card.wrong_method("skip-forgotten", "the values do not pass the state by", Mamba2.forward)
def _no_skip(self, x, **more):
    cache = self.forward(x, **more)[1]
    with altered(self, skip=Parameter(np.zeros_like(self.skip.data))):
        return self.forward(x, **more)[0], cache


@card.wrong_method("skip-path-dropped", "the values get nothing back by the path that passes the "
                   "state by", Mamba2.backward)  # fmt: skip
def _skip_dropped(self, dy, cache):
    with altered(self, skip=Parameter(np.zeros_like(self.skip.data))):
        dx = self.backward(dy, cache)
        gradient = self.skip.grad
    self.skip.accumulate(gradient)
    return dx


@card.wrong_method("norm-of-all-heads", "the norm is of all heads together, whatever their group",
                   rms_norm_forward)  # fmt: skip
def _all_heads(x, *arguments, **more):
    y, cache = rms_norm_forward(x, *arguments, **more)
    whole = x.reshape(*x.shape[:2], 1, x.shape[2] * x.shape[3])
    return rms_norm_forward(whole, *arguments, **more)[0].reshape(y.shape), cache


@card.wrong_method("groups-averaged", "keys that several heads read get the mean over them",
                   Mamba2.backward)  # fmt: skip
def _averaged(self, dy, cache):
    shared, summed = self.heads // self.key_heads, self._summed
    with altered(self, _summed=lambda dx: summed(dx) / shared):
        return self.backward(dy, cache)


@card.wrong_method("decay-detached", "a step is felt in what is written, and its decay is taken "
                   "for a constant", chunked_linear_attention_backward)  # fmt: skip
def _decay(dy, cache):
    dq, dk, dv, ddecay, *others = chunked_linear_attention_backward(dy, cache)
    return dq, dk, dv, np.zeros_like(ddecay), *others


@card.wrong_method("writing-detached", "a step is felt in the decay, and what is written taken "
                   "for a constant", chunked_linear_attention_backward)  # fmt: skip
def _written(dy, cache):
    dq, dk, dv, *others = chunked_linear_attention_backward(dy, cache)
    return dq, dk, np.zeros_like(dv), *others


@card.wrong_method("step-detached", "the length of a step is taken for a constant",
                   decay_gate_backward)  # fmt: skip
def _step(dy, cache):
    return tuple(np.zeros_like(d) for d in decay_gate_backward(dy, cache))


@card.wrong_method("gate-detached", "the gate of the output is taken for a constant",
                   swiglu_backward)  # fmt: skip
def _gate(dy, cache):
    dgate, dup = swiglu_backward(dy, cache)
    return np.zeros_like(dgate), dup
