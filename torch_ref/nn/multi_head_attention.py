"""Multi-head attention, self and cross (Vaswani et al., 2017, section 3.2.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from npformer.errors import ConfigError
from torch_ref import ops
from torch_ref.nn.linear import Linear


class FusedProjection(NamedTuple):
    """Queries, keys and values of self-attention by one product in place of three."""

    weight: Tensor  # (N (2 H + Hv), D)
    bias: Tensor  # (N (2 H + Hv),)


class MultiHeadAttention(nn.Module):
    """``heads`` attentions side by side, of size ``d_k`` (queries, keys) and ``d_v`` (values).

    Both sizes default to d_model / heads. Raises ConfigError if they are not given and ``heads``
    does not divide ``d_model``.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        d_k: int | None = None,
        d_v: int | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if d_model % heads and (d_k is None or d_v is None):
            raise ConfigError(f"heads is {heads}, which does not divide d_model, {d_model}")
        d_k = d_model // heads if d_k is None else d_k
        d_v = d_model // heads if d_v is None else d_v
        self.heads = heads
        self.q_proj = Linear(d_model, heads * d_k, dtype=dtype, device=device)
        self.k_proj = Linear(d_model, heads * d_k, dtype=dtype, device=device)
        self.v_proj = Linear(d_model, heads * d_v, dtype=dtype, device=device)
        self.out_proj = Linear(heads * d_v, d_model, dtype=dtype, device=device)

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor | None = None, *, causal: bool = False
    ) -> Tensor:
        """x (B, T, D), memory (B, S, D), mask (B|1, N|1, T|1, S) -> (B, T, D)."""
        return self.attend(x, *self.keys_values(memory), mask, causal=causal)

    def keys_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """memory (B, S, D) -> k (B, S, N, H), v (B, S, N, Hv); decoding keeps them."""
        return self._split(self.k_proj(memory)), self._split(self.v_proj(memory))

    def attend(
        self, x: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False
    ) -> Tensor:
        """x (B, T, D) over keys (B, S, N, H) and values (B, S, N, Hv) -> (B, T, D)."""
        return self.mix(self._split(self.q_proj(x)), k, v, mask, causal=causal)

    def mix(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False
    ) -> Tensor:
        """q (B, T, N, H), k (B, S, N, H), v (B, S, N, Hv) -> (B, T, D)."""
        return self.out_proj(ops.attention(q, k, v, mask, causal=causal).flatten(2))

    def fused(self, dtype: torch.dtype) -> FusedProjection:
        """The three maps as one, of the weights as they are now; decoding reads it at each step."""
        maps = (self.q_proj, self.k_proj, self.v_proj)
        weight, bias = torch.cat([m.weight for m in maps]), torch.cat([m.bias for m in maps])
        return FusedProjection(weight.to(dtype), bias.to(dtype))

    def queries_keys_values(
        self, x: Tensor, fused: FusedProjection
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, T, D) -> q, k (B, T, N, H), v (B, T, N, Hv), by one product."""
        sizes = [m.out_features for m in (self.q_proj, self.k_proj, self.v_proj)]
        q, k, v = F.linear(x, *fused).split(sizes, dim=2)
        return self._split(q), self._split(k), self._split(v)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1))  # (B, T, N, H)
