"""Kimi's delta attention: a gated delta net with a decay for each channel of a key."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torch_ref import ops
from torch_ref.nn.convolved_streams import STEPS
from torch_ref.nn.gated_delta_net import GatedDeltaNet
from torch_ref.nn.linear import Linear


class KimiDeltaAttention(GatedDeltaNet):
    """``heads`` states (key_size, value_size); the middle of both gates is ``value_size`` wide."""

    def _make_gates(self, d_model: int, value_size: int, **place: Any) -> None:
        channels = self.heads * self.key_size
        self.decay_down = Linear(d_model, value_size, False, **place)
        self.decay_up = Linear(value_size, channels, False, **place)
        self.gate_down = Linear(d_model, value_size, False, **place)
        self.gate_up = Linear(value_size, self.heads * value_size, False, **place)
        steps = torch.tensor(np.tile(np.geomspace(*STEPS, self.key_size), self.heads), **place)
        self.decay_bias = nn.Parameter(steps.expm1().log())

    def _log_decay(self, x: Tensor) -> Tensor:
        """x (B, T, D) -> (B, T, N, H)."""
        rates = self.log_rate.repeat_interleave(self.key_size)
        decay: Tensor = ops.decay_gate(self.decay_up(self.decay_down(x)), rates, self.decay_bias)
        return decay.unflatten(2, (self.heads, -1))

    def _gated(self, y: Tensor, x: Tensor) -> Tensor:
        gate: Tensor = ops.sigmoid(self.gate_up(self.gate_down(x)).unflatten(2, (self.heads, -1)))
        return y * gate
