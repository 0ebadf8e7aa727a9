"""Multi-head attention, self and cross (Vaswani et al., 2017, section 3.2.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from npformer.errors import ConfigError
from torch_ref import ops
from torch_ref.nn.key_value_cache import FusedProjection, KeysValues, KeyValueCache
from torch_ref.nn.linear import Linear


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
        self,
        x: Tensor,
        memory: Tensor | KeysValues | None = None,
        mask: Tensor | None = None,
        *,
        causal: bool = False,
        kept: KeyValueCache | None = None,
    ) -> Tensor:
        """x (B, T, D), memory (B, S, D) or None, mask (B|1, N|1, T|1, S) -> (B, T, D).

        Without a memory x attends to itself. In decoding, the memory may come as the keys and
        values that ``keys_values`` once made of it, and those of x join the earlier positions' in
        ``kept``, which may have a mask of its own.
        """
        if kept is not None:
            q, k, v = self._queries_keys_values(x, kept.fused)
            k, v, mask = kept.append(k, v)
        elif isinstance(memory, KeysValues):
            q, (k, v) = self._split(self.q_proj(x)), memory
        else:
            q = self._split(self.q_proj(x))
            k, v = self.keys_values(x if memory is None else memory)
        return self.out_proj(ops.attention(q, k, v, mask, causal=causal).flatten(2))

    def keys_values(self, memory: Tensor) -> KeysValues:
        """memory (B, S, D) -> k (B, S, N, H), v (B, S, N, Hv); decoding keeps them."""
        return KeysValues(self._split(self.k_proj(memory)), self._split(self.v_proj(memory)))

    def start(self, max_length: int) -> KeyValueCache:
        """What a decoding of up to ``max_length`` tokens keeps, of the weights as they are now."""
        maps = (self.q_proj, self.k_proj, self.v_proj)
        weight, bias = torch.cat([m.weight for m in maps]), torch.cat([m.bias for m in maps])
        device = weight.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            weight, bias = weight.to(dtype), bias.to(dtype)
        k, v = (m.out_features // self.heads for m in maps[1:])
        sizes = (self.heads, k), (self.heads, v)
        return KeyValueCache(FusedProjection(weight, bias), sizes, max_length)

    def _queries_keys_values(
        self, x: Tensor, fused: FusedProjection
    ) -> tuple[Tensor, Tensor, Tensor]:
        sizes = [m.out_features for m in (self.q_proj, self.k_proj, self.v_proj)]
        q, k, v = F.linear(x, *fused).split(sizes, dim=2)
        return self._split(q), self._split(k), self._split(v)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1))  # (B, T, N, H)
