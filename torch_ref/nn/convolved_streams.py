"""What layers with a state read: queries, keys and values behind a short convolution."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from npformer.errors import ConfigError
from torch_ref import ops
from torch_ref.nn.causal_conv1d import CausalConv1d
from torch_ref.nn.delta_state import DeltaState
from torch_ref.nn.linear import Linear

FORGOTTEN = -1e4
"""The logarithm of a decay that leaves exactly 0 in every precision: where a text begins."""
STEPS = 0.001, 0.1
"""What the first and the last head forget at a position, about, before training."""


class ConvolvedStreams:
    """What an ``nn.Module`` with ``q_proj``, ``q_conv`` and those of k and v has besides."""

    heads: int
    key_heads: int
    width: int

    def _make_streams(
        self,
        d_model: int,
        heads: int,
        key_heads: int | None,
        key_size: int,
        value_size: int,
        width: int,
        *,
        bias: bool,
        **place: Any,
    ) -> None:
        key_heads = heads if key_heads is None else key_heads
        if heads % key_heads:
            raise ConfigError(f"key_heads is {key_heads}, which does not divide heads, {heads}")
        self.heads, self.key_heads, self.width = heads, key_heads, width
        keys, values = key_heads * key_size, heads * value_size
        sizes = {"q": keys, "k": keys, "v": values}
        for name, size in sizes.items():
            setattr(self, f"{name}_proj", Linear(d_model, size, False, **place))
        for name, size in sizes.items():
            setattr(self, f"{name}_conv", CausalConv1d(size, width, bias, **place))

    def start(self, max_length: int) -> DeltaState:
        """What a decoding keeps; its size does not depend on the length."""
        return DeltaState()

    def _shared(self, h: Tensor) -> Tensor:
        """Queries or keys (B, T, G * H) -> (B, T, N, H), each as often as heads read it."""
        by_head = h.unflatten(2, (self.key_heads, -1))
        return by_head.repeat_interleave(self.heads // self.key_heads, 2)

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
