"""Multi-head latent attention (DeepSeek-AI, 2024): keys and values are made of a narrow latent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from npformer.errors import ConfigError
from torch_ref import ops
from torch_ref.nn.key_value_cache import FusedProjection, KeyValueCache, Sizes, fused_projection
from torch_ref.nn.linear import Linear
from torch_ref.nn.norms import make_norm
from torch_ref.nn.positions import Positions, make_positions


class LatentCache(KeyValueCache):
    """Of every position so far its latent and its shared key, side by side: (R, S, 1, L + R).

    ``k_up`` (N, Hn, L) and ``v_up`` (N, Hv, L) are the matrices to absorb.
    """

    def __init__(
        self, fused: FusedProjection, sizes: Sizes, max_length: int, k_up: Tensor, v_up: Tensor
    ) -> None:
        super().__init__(fused, sizes, max_length)
        self.k_up, self.v_up = k_up, v_up


class LatentAttention(nn.Module):
    """``heads`` attentions whose keys and values are made of a latent of ``latent_size`` columns.

    The arguments are those of the NumPy module's. Raises ConfigError for a shared part that is the
    whole key.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        d_k: int,
        d_v: int,
        *,
        latent_size: int,
        shared_size: int,
        query_latent_size: int | None = None,
        positions: Mapping[str, Any] | None = None,
        norm_type: str = "rms_norm",
        eps: float = 1e-6,
        scale: float | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if shared_size >= d_k:
            raise ConfigError(
                f"shared_size is {shared_size} of a head's {d_k} columns; it must be fewer"
            )
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        self.heads, self.latent_size = heads, latent_size
        self.own_size, self.shared_size = d_k - shared_size, shared_size
        self.scale = d_k**-0.5 if scale is None else scale
        self.q_down = self.q_norm = None
        if query_latent_size is not None:
            self.q_down = Linear(d_model, query_latent_size, False, **place)
            self.q_norm = make_norm(norm_type, query_latent_size, eps, **place)
        self.q_proj = Linear(query_latent_size or d_model, heads * d_k, False, **place)
        self.kv_down = Linear(d_model, latent_size, False, **place)
        self.kv_norm = make_norm(norm_type, latent_size, eps, **place)
        self.k_shared = Linear(d_model, shared_size, False, **place)
        self.k_up = Linear(latent_size, heads * self.own_size, False, **place)
        self.v_up = Linear(latent_size, heads * d_v, False, **place)
        self.out_proj = Linear(heads * d_v, d_model, False, **place)
        self.positions: Positions | None = None
        if positions is not None:
            self.positions = make_positions(**positions, d_model=d_model, **place)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        causal: bool = False,
        at: int | Tensor | None = None,
        kept: LatentCache | None = None,
    ) -> Tensor:
        """x (B, T, D), mask (B|1, N|1, T|1, S) -> (B, T, D).

        ``at`` are the positions of x's tokens, of which the first has 0 unless given. With
        ``kept``, those of x join the earlier positions', by the absorbed form.
        """
        if at is None:
            at = 0 if kept is None else kept.length
        if kept is not None:
            return self.out_proj(self._absorbed(x, mask, causal, at, kept).flatten(2))
        q = x if self.q_down is None or self.q_norm is None else self.q_norm(self.q_down(x))
        own, turning = self._split(self.q_proj(q)).split((self.own_size, self.shared_size), -1)
        q = torch.cat([own, self._rotate(turning, at)], -1)
        latent = self.kv_norm(self.kv_down(x))
        shared = self._rotate(self.k_shared(x).unsqueeze(2), at)
        k = self._split(self.k_up(latent))
        k = torch.cat([k, shared.expand(-1, -1, self.heads, -1)], -1)
        v = self._split(self.v_up(latent))
        y = ops.attention(q, k, v, mask, causal=causal, scale=self.scale)
        return self.out_proj(y.flatten(2))

    def start(self, max_length: int) -> LatentCache:
        """What a decoding of up to ``max_length`` tokens keeps, of the weights as they are now."""
        of_queries = self.q_proj if self.q_down is None else self.q_down
        fused = fused_projection((of_queries, self.kv_down, self.k_shared))
        sizes = (1, self.latent_size + self.shared_size), (1, 0)
        absorbed = (
            up.weight.to(fused.weight.dtype).unflatten(0, (self.heads, -1))
            for up in (self.k_up, self.v_up)
        )
        return LatentCache(fused, sizes, max_length, *absorbed)

    def _absorbed(
        self, x: Tensor, mask: Tensor | None, causal: bool, at: int | Tensor, kept: LatentCache
    ) -> Tensor:
        """x (B, T, D) -> (B, T, N, Hv): all heads look at the same rows, the latents."""
        rest = (self.latent_size, self.shared_size)
        fused = F.linear(x, *kept.fused)
        q, latent, shared = fused.split((fused.shape[-1] - sum(rest), *rest), -1)
        if self.q_norm is not None:
            q = self.q_proj(self.q_norm(q))
        own, turning = self._split(q).split((self.own_size, self.shared_size), -1)
        own = torch.einsum("btnh,nhl->btnl", own, kept.k_up)
        q = torch.cat([own, self._rotate(turning, at)], -1)  # (B, T, N, L + R)
        shared = self._rotate(shared.unsqueeze(2), at)
        k = torch.cat([self.kv_norm(latent).unsqueeze(2), shared], -1)
        k, _, _ = kept.append(k, k[..., :0])  # (B, S, 1, L + R)
        v = k[..., : self.latent_size]
        y = ops.attention(q, k, v, mask, causal=causal, scale=self.scale)  # (B, T, N, L)
        return torch.einsum("btnl,nhl->btnh", y, kept.v_up)

    def _rotate(self, x: Tensor, at: int | Tensor) -> Tensor:
        return x if self.positions is None else self.positions.rotate(x, at)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1))  # (B, T, N, H)
