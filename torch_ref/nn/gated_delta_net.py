"""The gated delta net: a mixer that keeps a state, where self-attention would stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torch_ref import ops
from torch_ref.nn.convolved_streams import FORGOTTEN, STEPS, ConvolvedStreams
from torch_ref.nn.delta_state import DeltaState
from torch_ref.nn.linear import Linear
from torch_ref.nn.rms_norm import RMSNorm

UNIT_EPS = 1e-6
"""What is added to a key's squared length, H times rms_norm's eps."""


class GatedDeltaNet(ConvolvedStreams, nn.Module):
    """``heads`` states (key_size, value_size), written to by ``key_heads`` heads of keys.

    The settings are those of the NumPy model's. Raises ConfigError for key heads that do not divide
    heads.
    """

    gate_proj: Linear

    def __init__(
        self,
        d_model: int,
        heads: int,
        *,
        key_heads: int | None = None,
        key_size: int,
        value_size: int,
        width: int = 4,
        eps: float = 1e-6,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        sizes = d_model, heads, key_heads, key_size, value_size
        self._make_streams(*sizes, width, bias=False, **place)
        self.key_size = key_size
        self.beta_proj = Linear(d_model, heads, False, **place)
        self.log_rate = nn.Parameter(torch.zeros(heads, **place))
        self._make_gates(d_model, value_size, **place)
        self.norm = RMSNorm(value_size, eps, **place)
        self.out_proj = Linear(heads * value_size, d_model, False, **place)

    def forward(
        self, x: Tensor, *, at: int | Tensor | None = None, kept: DeltaState | None = None
    ) -> Tensor:
        """x (B, T, D) -> (B, T, D).

        Positions ``at`` (B, T) say where each of several texts in a row begins, at 0. In decoding x
        goes on from ``kept``.
        """
        at = 0 if at is None else at
        q, k, v = (self._stream(name, x, at, kept) for name in "qkv")
        size = self.key_size
        q = ops.rms_norm(q.unflatten(2, (self.key_heads, -1)), eps=UNIT_EPS / size)
        k = ops.rms_norm(k.unflatten(2, (self.key_heads, -1)), eps=UNIT_EPS / size)
        shared = self.heads // self.key_heads
        q, k = (h.repeat_interleave(shared, 2) for h in (q / size, k * size**-0.5))
        v = v.unflatten(2, (self.heads, -1))
        beta = ops.sigmoid(self.beta_proj(x))
        decay = self._log_decay(x)
        if not isinstance(at, int):
            decay = torch.where((at == 0)[:, :, None, None], FORGOTTEN, decay)
        y = self._gated(self.norm(self._rule(q, k, v, beta, decay, kept)), x)
        out: Tensor = self.out_proj(y.flatten(2))
        return out

    def _rule(self, *arrays: Any) -> Tensor:
        """The recurrence, in float32 at least: it has no kernel in fewer digits."""
        *given, kept = arrays
        wide = torch.promote_types(given[2].dtype, torch.float32)
        with torch.autocast(given[2].device.type, enabled=False):
            given = [a.to(wide) for a in given]
            if kept is None:
                y: Tensor = ops.chunked_gated_delta_rule(*given)
                return y
            y, kept.state = ops.in_chunks(*given, kept.state, 64)
        kept.length += y.shape[1]
        return y

    def _make_gates(self, d_model: int, value_size: int, **place: Any) -> None:
        """What the decay and the gate of the output are made of."""
        self.gate_proj = Linear(d_model, self.heads * value_size, False, **place)
        self.decay_proj = Linear(d_model, self.heads, False, **place)
        steps = torch.tensor(np.geomspace(*STEPS, self.heads), **place)
        self.decay_bias = nn.Parameter(steps.expm1().log())

    def _log_decay(self, x: Tensor) -> Tensor:
        """x (B, T, D) -> (B, T, N, 1)."""
        decay: Tensor = ops.decay_gate(self.decay_proj(x), self.log_rate, self.decay_bias)
        return decay.unsqueeze(3)

    def _gated(self, y: Tensor, x: Tensor) -> Tensor:
        """y (B, T, N, Hv), x (B, T, D) -> what is let through of y."""
        out: Tensor = ops.swiglu(self.gate_proj(x).unflatten(2, (self.heads, -1)), y)
        return out
