"""One layer of the encoder (Vaswani et al., 2017, section 3.1).

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.config import ModelConfig
from npformer.nn.feed_forward import FeedForward, FeedForwardCache
from npformer.nn.module import Array, Module
from npformer.nn.multi_head_attention import MultiHeadAttention, MultiHeadAttentionCache
from npformer.nn.residual import LeaveCache, Residual
from npformer.ops.layer_norm import LayerNormCache


class EncoderLayerCache(NamedTuple):
    self_attn_enter: LayerNormCache | None
    self_attn: MultiHeadAttentionCache
    self_attn_leave: LeaveCache
    feed_forward_enter: LayerNormCache | None
    feed_forward: FeedForwardCache
    feed_forward_leave: LeaveCache


class EncoderLayer(Module):
    """Self-attention, then the feed-forward network, each inside a residual."""

    def __init__(
        self, config: ModelConfig, *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        c = config
        around = (c.d_model, c.dropout, c.norm, c.layer_norm_eps)
        self.self_attn_residual = Residual(*around, dtype=dtype)
        self.self_attn = MultiHeadAttention(c.d_model, c.heads, c.d_k, c.d_v, rng=rng, dtype=dtype)
        self.feed_forward_residual = Residual(*around, dtype=dtype)
        self.feed_forward = FeedForward(c.d_model, c.d_ff, c.activation, rng=rng, dtype=dtype)

    def forward(
        self, x: Array, mask: Array | None = None, rng: np.random.Generator | None = None
    ) -> tuple[Array, EncoderLayerCache]:
        """x (B, S, D), mask (B, 1, 1, S) -> y (B, S, D), cache."""
        h, self_attn_enter = self.self_attn_residual.enter(x)
        h, self_attn = self.self_attn.forward(h, h, mask)
        x, self_attn_leave = self.self_attn_residual.leave(x, h, rng)

        h, feed_forward_enter = self.feed_forward_residual.enter(x)
        h, feed_forward = self.feed_forward.forward(h)
        y, feed_forward_leave = self.feed_forward_residual.leave(x, h, rng)
        return y, EncoderLayerCache(
            self_attn_enter,
            self_attn,
            self_attn_leave,
            feed_forward_enter,
            feed_forward,
            feed_forward_leave,
        )

    def backward(self, dy: Array, cache: EncoderLayerCache) -> Array:
        """dy (B, S, D) -> dx (B, S, D)."""
        dx, dh = self.feed_forward_residual.leave_backward(dy, cache.feed_forward_leave)
        dh = self.feed_forward.backward(dh, cache.feed_forward)
        dx = dx + self.feed_forward_residual.enter_backward(dh, cache.feed_forward_enter)

        dx, dh = self.self_attn_residual.leave_backward(dx, cache.self_attn_leave)
        dquery, dmemory = self.self_attn.backward(dh, cache.self_attn)
        return dx + self.self_attn_residual.enter_backward(dquery + dmemory, cache.self_attn_enter)
