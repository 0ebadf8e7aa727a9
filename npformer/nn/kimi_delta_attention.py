"""Kimi's delta attention (Kimi team, 2025, arXiv:2510.26692): a decay for each channel of a key.

A gated delta net in all but two gates, both of which go through a narrow middle:

    log_decay = -exp(log_rate) * softplus(x decay_down^T decay_up^T + decay_bias)   a head's H each
    y         = norm(y) * sigmoid(x gate_down^T gate_up^T)

A head's channels share the rate. Each forgets at a pace of its own, so that one head may keep some
of what its keys say for long, and lose the rest at once.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.convolved_streams import STEPS, merge
from npformer.nn.gated_delta_net import GatedDeltaNet
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Parameter
from npformer.ops.decay_gate import decay_gate_backward, decay_gate_forward
from npformer.ops.sigmoid import sigmoid_backward, sigmoid_forward


class KimiDeltaAttention(GatedDeltaNet):
    """``heads`` states (key_size, value_size); the middle of both gates is ``value_size`` wide.

    The settings are those of ``GatedDeltaNet``. Raises ConfigError as it does.
    """

    def _make_gates(
        self, d_model: int, value_size: int, rng: np.random.Generator, dtype: DTypeLike
    ) -> None:
        channels = self.heads * self.key_size

        def linear(inputs: int, outputs: int) -> Linear:
            return Linear(inputs, outputs, bias=False, rng=rng, dtype=dtype)

        self.decay_down, self.decay_up = linear(d_model, value_size), linear(value_size, channels)
        self.gate_down = linear(d_model, value_size)
        self.gate_up = linear(value_size, self.heads * value_size)
        steps = np.tile(np.geomspace(*STEPS, self.key_size), self.heads)  # of unlike length
        self.decay_bias = Parameter(np.log(np.expm1(steps)).astype(dtype))

    def _log_decay(self, x: Array) -> tuple[Array, Any]:
        """x (B, T, D) -> log_decay (B, T, N, H), cache."""
        h, down = self.decay_down.forward(x)
        h, up = self.decay_up.forward(h)
        rates = np.repeat(self.log_rate.data, self.key_size)  # (N * H,)
        decay, gate = decay_gate_forward(h, rates, self.decay_bias.data)
        return self._by_head(decay, self.heads), (down, up, gate)

    def _back_from_decay(self, ddecay: Array, cache: Any) -> Array:
        """dlog_decay (B, T, N, H) -> dx (B, T, D)."""
        down, up, gate = cache
        dh, drates, dbias = decay_gate_backward(merge(ddecay), gate)
        self.log_rate.accumulate(drates.reshape(self.heads, self.key_size).sum(1))
        self.decay_bias.accumulate(dbias)
        return self.decay_down.backward(self.decay_up.backward(dh, up), down)

    def _gated(self, y: Array, x: Array) -> tuple[Array, Any]:
        h, down = self.gate_down.forward(x)
        h, up = self.gate_up.forward(h)
        gate, sigmoid = sigmoid_forward(self._by_head(h, self.heads))  # (B, T, N, Hv)
        return y * gate, (down, up, sigmoid, y, gate)

    def _back_from_gate(self, dy: Array, cache: Any) -> tuple[Array, Array]:
        down, up, sigmoid, y, gate = cache
        dh = self.gate_up.backward(merge(sigmoid_backward(dy * y, sigmoid)), up)
        return dy * gate, self.gate_down.backward(dh, down)
