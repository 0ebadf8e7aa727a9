"""One layer of the decoder (Vaswani et al., 2017, section 3.1)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from npformer.config import ModelConfig
from torch_ref.nn.feed_forward import FeedForward
from torch_ref.nn.key_value_cache import KeyValueCache
from torch_ref.nn.multi_head_attention import MultiHeadAttention
from torch_ref.nn.residual import Residual
from torch_ref.nn.sentence_grid import SentenceGrid


class DecoderLayer(nn.Module):
    """Causal self-attention, attention over the memory, the feed-forward network."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        c = config
        around = (c.d_model, c.dropout, c.norm, c.layer_norm_eps)
        attention = (c.d_model, c.heads, c.d_k, c.d_v)
        self.self_attn_residual = Residual(*around, dtype=dtype, device=device)
        self.self_attn = MultiHeadAttention(*attention, dtype=dtype, device=device)
        self.cross_attn_residual = Residual(*around, dtype=dtype, device=device)
        self.cross_attn = MultiHeadAttention(*attention, dtype=dtype, device=device)
        self.feed_forward_residual = Residual(*around, dtype=dtype, device=device)
        self.feed_forward = FeedForward(c.d_model, c.d_ff, c.activation, dtype=dtype, device=device)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        rng: np.random.Generator | None = None,
    ) -> Tensor:
        """x (B, T, D), memory (B, S, D), memory_mask (B, 1, 1, S) -> (B, T, D)."""
        h = self.self_attn_residual.enter(x)
        x = self.self_attn_residual.leave(x, self.self_attn(h, h, causal=True), rng)

        h = self.cross_attn_residual.enter(x)
        x = self.cross_attn_residual.leave(x, self.cross_attn(h, memory, memory_mask), rng)

        h = self.feed_forward_residual.enter(x)
        return self.feed_forward_residual.leave(x, self.feed_forward(h), rng)

    def start(self, memory: Tensor, max_length: int) -> KeyValueCache:
        """memory (B, S, D) -> what this layer keeps while decoding up to ``max_length`` tokens."""
        cross_k, cross_v = self.cross_attn.keys_values(memory)
        return KeyValueCache(cross_k, cross_v, self.self_attn.fused(cross_k.dtype), max_length)

    def step(
        self,
        x: Tensor,
        cache: KeyValueCache,
        memory_mask: Tensor | None = None,
        grid: SentenceGrid | None = None,
    ) -> Tensor:
        """The forward of the next position, x (R, 1, D) -> (R, 1, D); its keys join ``cache``.

        ``grid`` says which rows share a sentence's memory; without it each has one of its own.
        """
        h = self.self_attn_residual.enter(x)
        q, k, v = self.self_attn.queries_keys_values(h, cache.fused)
        k, v, mask = cache.append(k, v)
        x = self.self_attn_residual.leave(x, self.self_attn.mix(q, k, v, mask))

        h = self.cross_attn_residual.enter(x)
        h = h if grid is None else grid.spread(h)
        h = self.cross_attn.attend(h, cache.cross_k, cache.cross_v, memory_mask)
        h = h if grid is None else grid.collect(h)
        x = self.cross_attn_residual.leave(x, h)

        h = self.feed_forward_residual.enter(x)
        return self.feed_forward_residual.leave(x, self.feed_forward(h))
