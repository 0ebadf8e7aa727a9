"""One layer of the decoder (Vaswani et al., 2017, section 3.1).

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.config import ModelConfig
from npformer.nn.feed_forward import FeedForward, FeedForwardCache
from npformer.nn.key_value_cache import KeyValueCache
from npformer.nn.module import Array, Module
from npformer.nn.multi_head_attention import MultiHeadAttention, MultiHeadAttentionCache
from npformer.nn.residual import LeaveCache, Residual
from npformer.nn.sentence_grid import SentenceGrid
from npformer.ops.layer_norm import LayerNormCache


class DecoderLayerCache(NamedTuple):
    self_attn_enter: LayerNormCache | None
    self_attn: MultiHeadAttentionCache
    self_attn_leave: LeaveCache
    cross_attn_enter: LayerNormCache | None
    cross_attn: MultiHeadAttentionCache
    cross_attn_leave: LeaveCache
    feed_forward_enter: LayerNormCache | None
    feed_forward: FeedForwardCache
    feed_forward_leave: LeaveCache


class DecoderLayer(Module):
    """Causal self-attention, attention over the memory, the feed-forward network."""

    def __init__(
        self, config: ModelConfig, *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        c = config
        around = (c.d_model, c.dropout, c.norm, c.layer_norm_eps)
        attention = (c.d_model, c.heads, c.d_k, c.d_v)
        self.self_attn_residual = Residual(*around, dtype=dtype)
        self.self_attn = MultiHeadAttention(*attention, rng=rng, dtype=dtype)
        self.cross_attn_residual = Residual(*around, dtype=dtype)
        self.cross_attn = MultiHeadAttention(*attention, rng=rng, dtype=dtype)
        self.feed_forward_residual = Residual(*around, dtype=dtype)
        self.feed_forward = FeedForward(c.d_model, c.d_ff, c.activation, rng=rng, dtype=dtype)

    def forward(
        self,
        x: Array,
        memory: Array,
        memory_mask: Array | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, DecoderLayerCache]:
        """x (B, T, D), memory (B, S, D), memory_mask (B, 1, 1, S) -> y (B, T, D), cache."""
        h, self_attn_enter = self.self_attn_residual.enter(x)
        h, self_attn = self.self_attn.forward(h, h, causal=True)
        x, self_attn_leave = self.self_attn_residual.leave(x, h, rng)

        h, cross_attn_enter = self.cross_attn_residual.enter(x)
        h, cross_attn = self.cross_attn.forward(h, memory, memory_mask)
        x, cross_attn_leave = self.cross_attn_residual.leave(x, h, rng)

        h, feed_forward_enter = self.feed_forward_residual.enter(x)
        h, feed_forward = self.feed_forward.forward(h)
        y, feed_forward_leave = self.feed_forward_residual.leave(x, h, rng)
        return y, DecoderLayerCache(
            self_attn_enter,
            self_attn,
            self_attn_leave,
            cross_attn_enter,
            cross_attn,
            cross_attn_leave,
            feed_forward_enter,
            feed_forward,
            feed_forward_leave,
        )

    def backward(self, dy: Array, cache: DecoderLayerCache) -> tuple[Array, Array]:
        """dy (B, T, D) -> dx (B, T, D), dmemory (B, S, D)."""
        dx, dh = self.feed_forward_residual.leave_backward(dy, cache.feed_forward_leave)
        dh = self.feed_forward.backward(dh, cache.feed_forward)
        dx = dx + self.feed_forward_residual.enter_backward(dh, cache.feed_forward_enter)

        dx, dh = self.cross_attn_residual.leave_backward(dx, cache.cross_attn_leave)
        dh, dmemory = self.cross_attn.backward(dh, cache.cross_attn)
        dx = dx + self.cross_attn_residual.enter_backward(dh, cache.cross_attn_enter)

        dx, dh = self.self_attn_residual.leave_backward(dx, cache.self_attn_leave)
        dquery, dkey = self.self_attn.backward(dh, cache.self_attn)
        dx = dx + self.self_attn_residual.enter_backward(dquery + dkey, cache.self_attn_enter)
        return dx, dmemory

    def start(self, memory: Array, max_length: int) -> KeyValueCache:
        """memory (B, S, D) -> the keys and values of a decoding of up to ``max_length`` tokens."""
        return KeyValueCache(*self.cross_attn.keys_values(memory), max_length)

    def step(
        self,
        x: Array,
        cache: KeyValueCache,
        memory_mask: Array | None = None,
        grid: SentenceGrid | None = None,
    ) -> Array:
        """The forward of the next position, x (R, 1, D) -> y (R, 1, D); its keys join ``cache``.

        ``grid`` says which rows share a sentence's memory; without it each has one of its own.
        """
        h, _ = self.self_attn_residual.enter(x)
        k, v = cache.append(*self.self_attn.keys_values(h))
        h = self.self_attn.attend(h, k, v)
        x, _ = self.self_attn_residual.leave(x, h)

        h, _ = self.cross_attn_residual.enter(x)
        h = h if grid is None else grid.spread(h)
        h = self.cross_attn.attend(h, cache.cross_k, cache.cross_v, memory_mask)
        h = h if grid is None else grid.collect(h)
        x, _ = self.cross_attn_residual.leave(x, h)

        h, _ = self.feed_forward_residual.enter(x)
        h, _ = self.feed_forward.forward(h)
        y, _ = self.feed_forward_residual.leave(x, h)
        return y
