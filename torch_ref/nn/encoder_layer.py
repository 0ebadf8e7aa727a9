"""One layer of the encoder (Vaswani et al., 2017, section 3.1)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from npformer.config import ModelConfig
from torch_ref.nn.feed_forward import FeedForward
from torch_ref.nn.multi_head_attention import MultiHeadAttention
from torch_ref.nn.residual import Residual


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward network, each inside a residual."""

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
        self.feed_forward_residual = Residual(*around, dtype=dtype, device=device)
        self.feed_forward = FeedForward(c.d_model, c.d_ff, c.activation, dtype=dtype, device=device)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, rng: np.random.Generator | None = None
    ) -> Tensor:
        """x (B, S, D), mask (B, 1, 1, S) -> (B, S, D)."""
        h = self.self_attn_residual.enter(x)
        x = self.self_attn_residual.leave(x, self.self_attn(h, h, mask), rng)

        h = self.feed_forward_residual.enter(x)
        return self.feed_forward_residual.leave(x, self.feed_forward(h), rng)
