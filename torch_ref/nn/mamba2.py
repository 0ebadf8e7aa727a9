"""Mamba-2's layer: a state that decays by a step of time, in chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torch_ref import ops
from torch_ref.nn.convolved_streams import FORGOTTEN, STEPS, ConvolvedStreams
from torch_ref.nn.delta_state import DeltaState
from torch_ref.nn.linear import Linear


class Mamba2(ConvolvedStreams, nn.Module):
    """``heads`` states (key_size, value_size), written to by ``key_heads`` groups of keys.

    The settings are those of the NumPy model's. Raises ConfigError for key heads that do not divide
    heads.
    """

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
        self._make_streams(*sizes, width, bias=True, **place)
        values = heads * value_size
        self.eps = eps
        self.gate_proj = Linear(d_model, values, False, **place)
        self.decay_proj = Linear(d_model, heads, False, **place)
        self.log_rate = nn.Parameter(torch.arange(1, heads + 1, **place).log())
        steps = torch.tensor(np.geomspace(*STEPS, heads), **place)
        self.decay_bias = nn.Parameter(steps.expm1().log())
        self.skip = nn.Parameter(torch.ones(heads, **place))
        self.norm_weight = nn.Parameter(torch.ones(values, **place))
        self.out_proj = Linear(values, d_model, False, **place)

    def forward(
        self, x: Tensor, *, at: int | Tensor | None = None, kept: DeltaState | None = None
    ) -> Tensor:
        """x (B, T, D) -> (B, T, D).

        Positions ``at`` (B, T) say where each of several texts in a row begins, at 0. In decoding x
        goes on from ``kept``.
        """
        at = 0 if at is None else at
        q, k, v = (self._stream(name, x, at, kept) for name in "qkv")
        v = v.unflatten(2, (self.heads, -1))
        minus = ops.decay_gate(self.decay_proj(x), torch.zeros_like(self.skip), self.decay_bias)
        decay = self.log_rate.exp() * minus
        if not isinstance(at, int):
            decay = torch.where((at == 0)[:, :, None], FORGOTTEN, decay)
        written = -minus.unsqueeze(3) * v
        y = self._scan(self._shared(q), self._shared(k), written, decay.unsqueeze(3), kept)
        y = y + self.skip[:, None] * v
        y = ops.swiglu(self.gate_proj(x).unflatten(2, (self.heads, -1)), y)
        y = ops.rms_norm(y.flatten(2).unflatten(2, (self.key_heads, -1)), eps=self.eps)
        out: Tensor = self.out_proj(y.flatten(2) * self.norm_weight)
        return out

    def _scan(self, *arrays: Any) -> Tensor:
        """The recurrence, in float32 at least: it has no kernel in fewer digits."""
        *given, kept = arrays
        wide = torch.promote_types(given[2].dtype, torch.float32)
        with torch.autocast(given[2].device.type, enabled=False):
            q, k, v, decay = (a.to(wide) for a in given)
            if kept is None:
                y: Tensor = ops.chunked_linear_attention(q, k, v, decay)
                return y
            y, kept.state = ops.in_chunks(q, k, v, None, decay, kept.state, 64)
        kept.length += y.shape[1]
        return y
