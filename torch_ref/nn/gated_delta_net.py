"""The gated delta net: a mixer that keeps a state, where self-attention would stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from npformer.errors import ConfigError
from torch_ref import ops
from torch_ref.nn.causal_conv1d import CausalConv1d
from torch_ref.nn.delta_state import DeltaState
from torch_ref.nn.linear import Linear
from torch_ref.nn.rms_norm import RMSNorm

FORGOTTEN = -1e4
"""The logarithm of a decay that leaves exactly 0 in every precision: where a text begins."""
STEPS = 0.001, 0.1
"""What the first and the last head forget at a position, about, before training."""
UNIT_EPS = 1e-6
"""What is added to a key's squared length, H times rms_norm's eps."""


class GatedDeltaNet(nn.Module):
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
        key_heads = heads if key_heads is None else key_heads
        if heads % key_heads:
            raise ConfigError(f"key_heads is {key_heads}, which does not divide heads, {heads}")
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        self.heads, self.key_heads, self.key_size = heads, key_heads, key_size
        self.width = width
        keys, values = key_heads * key_size, heads * value_size
        for name, size in (("q", keys), ("k", keys), ("v", values), ("gate", values)):
            setattr(self, f"{name}_proj", Linear(d_model, size, False, **place))
        for name, size in (("q", keys), ("k", keys), ("v", values)):
            setattr(self, f"{name}_conv", CausalConv1d(size, width, False, **place))
        self.beta_proj = Linear(d_model, heads, False, **place)
        self.decay_proj = Linear(d_model, heads, False, **place)
        self.log_rate = nn.Parameter(torch.zeros(heads, **place))
        steps = torch.tensor(np.geomspace(*STEPS, heads), **place)
        self.decay_bias = nn.Parameter(steps.expm1().log())
        self.norm = RMSNorm(value_size, eps, **place)
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
        size = self.key_size
        q = ops.rms_norm(q.unflatten(2, (self.key_heads, -1)), eps=UNIT_EPS / size)
        k = ops.rms_norm(k.unflatten(2, (self.key_heads, -1)), eps=UNIT_EPS / size)
        shared = self.heads // self.key_heads
        q, k = (h.repeat_interleave(shared, 2) for h in (q / size, k * size**-0.5))
        v = v.unflatten(2, (self.heads, -1))
        beta = ops.sigmoid(self.beta_proj(x))
        decay = ops.decay_gate(self.decay_proj(x), self.log_rate, self.decay_bias)
        if not isinstance(at, int):
            decay = torch.where((at == 0)[:, :, None], FORGOTTEN, decay)
        y = self.norm(self._rule(q, k, v, beta, decay.unsqueeze(3), kept))
        gate = self.gate_proj(x).unflatten(2, (self.heads, -1))
        y = ops.swiglu(gate, y)
        out: Tensor = self.out_proj(y.flatten(2))
        return out

    def start(self, max_length: int) -> DeltaState:
        """What a decoding keeps; its size does not depend on the length."""
        return DeltaState()

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

    def _stream(self, name: str, x: Tensor, at: int | Tensor, kept: DeltaState | None) -> Tensor:
        """x (B, T, D) -> queries, keys or values (B, T, ...) as the convolution leaves them."""
        h = getattr(self, f"{name}_proj")(x)
        before = 0
        if kept is not None:
            h = kept.looked_back(name, h, self.width, at)
            before = self.width - 1
        conv = getattr(self, f"{name}_conv")
        if isinstance(at, int):
            return ops.silu(conv(h)[:, before:])
        begins = torch.zeros(h.shape[:2], dtype=torch.int64, device=h.device)
        begins[:, before:] = at == 0
        # Texts apart by what a window looks back on, so that none is in another's.
        places = torch.arange(h.shape[1], device=h.device) + (self.width - 1) * begins.cumsum(1)
        room = int(places.max()) + 1 if places.numel() else 0
        index = places[:, :, None].expand(-1, -1, h.shape[2])
        spread = h.new_zeros(len(h), room, h.shape[2]).scatter(1, index, h)
        return ops.silu(conv(spread).gather(1, index)[:, before:])
