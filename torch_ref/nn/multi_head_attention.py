"""Multi-head attention, self and cross (Vaswani et al., 2017, section 3.2.2), and its variants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from npformer.errors import ConfigError
from torch_ref import ops
from torch_ref.nn.key_value_cache import (
    KeysValues,
    KeyValueCache,
    WindowCache,
    fused_projection,
)
from torch_ref.nn.linear import Linear
from torch_ref.nn.norms import make_norm
from torch_ref.nn.positions import make_positions
from torch_ref.nn.quantized_linear import QuantizedLinear
from torch_ref.nn.rms_norm import RMSNorm
from torch_ref.nn.token_grid import PackedMask
from torch_ref.nn.value_mix import ValueMix


class MultiHeadAttention(nn.Module):
    """``heads`` attentions side by side, of size ``d_k`` (queries, keys) and ``d_v`` (values).

    The settings are those of the NumPy model's. Raises ConfigError for one that is not allowed.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        d_k: int | None = None,
        d_v: int | None = None,
        *,
        kv_heads: int | None = None,
        bias: str = "all",
        qk_norm: str = "none",
        norm_type: str = "rms_norm",
        eps: float = 1e-5,
        positions: Mapping[str, Any] | None = None,
        window: int | None = None,
        softcap: float | None = None,
        scale: float | None = None,
        sinks: bool = False,
        gate: bool = False,
        value_norm: bool = False,
        values_from_keys: bool = False,
        value_mix: bool = False,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if d_model % heads and (d_k is None or d_v is None):
            raise ConfigError(f"heads is {heads}, which does not divide d_model, {d_model}")
        groups = heads if kv_heads is None else kv_heads
        if heads % groups:
            raise ConfigError(f"kv_heads is {groups}, which does not divide heads, {heads}")
        for name, given, allowed in (
            ("bias", bias, ("all", "qkv", "qvo", "none")),
            ("qk_norm", qk_norm, ("none", "head", "full")),
        ):
            if given not in allowed:
                raise ConfigError(f"{name} is {given!r}; choose one of {', '.join(allowed)}")
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        d_k = d_model // heads if d_k is None else d_k
        d_v = d_model // heads if d_v is None else d_v
        if values_from_keys and d_k != d_v:
            raise ConfigError(
                f"d_k is {d_k} and d_v {d_v}; values from the keys are as wide as they"
            )
        self.heads, self.kv_heads = heads, groups
        self.window, self.softcap, self.scale = window, softcap, scale
        self.full_norm = qk_norm == "full"
        inner = bias != "none"
        self.q_proj = Linear(d_model, heads * d_k, inner, **place)
        self.k_proj = Linear(d_model, groups * d_k, inner and bias != "qvo", **place)
        self.v_proj = None if values_from_keys else Linear(d_model, groups * d_v, inner, **place)
        self.out_proj = Linear(heads * d_v, d_model, bias in ("all", "qvo"), **place)
        self.q_norm = self.k_norm = None
        if qk_norm != "none":
            sizes = (heads * d_k, groups * d_k) if self.full_norm else (d_k, d_k)
            self.q_norm, self.k_norm = (make_norm(norm_type, n, eps, **place) for n in sizes)
        self.v_norm = RMSNorm(d_v, eps, weight=False, **place) if value_norm else None
        self.value_mix = ValueMix(**place) if value_mix else None
        self.positions = None
        if positions is not None:
            self.positions = make_positions(**positions, d_model=d_model, **place)
        self.sinks = nn.Parameter(torch.zeros(heads, **place)) if sinks else None
        self.gate_proj = Linear(d_model, heads * d_v, inner, **place) if gate else None

    def forward(
        self,
        x: Tensor,
        memory: Tensor | KeysValues | None = None,
        mask: Tensor | PackedMask | None = None,
        bias: Tensor | None = None,
        *,
        causal: bool = False,
        at: int | Tensor | None = None,
        kept: KeyValueCache | None = None,
        rows: Tensor | None = None,
    ) -> Tensor:
        """x (B, T, D), memory (B, S, D) or None, mask (B|1, N|1, T|1, S) -> (B, T, D).

        Without a memory x attends to itself. A ``bias`` (B|1, N|1, T|1, S) is added to the scores,
        for attention that has no positions of its own that bias them. ``at`` are the positions of
        x's tokens, of which the first has 0 unless given. In decoding, the memory may come as the
        keys and values that ``keys_values`` once made of it, and those of x join the earlier
        positions' in ``kept``, which may have a mask of its own. With a ``PackedMask``, x (1, n, D)
        and the memory (1, m, D) are tokens without padding; a bias is of their grids. ``rows``
        (B, S, G * Hv) are what is mixed into the values.
        """
        if at is None:
            at = 0 if kept is None else kept.length
        if kept is not None:
            assert not isinstance(mask, PackedMask)
            q, k, v = self._queries_keys_values(x, kept, at)
            v = self._mixed(v, rows)
            k, v, own = kept.append(k, v)
            held = slice(-k.shape[1], None)  # a window's keys are the last ones
            mask = mask[..., held] if own is None and mask is not None else own
            bias = None if bias is None else bias[..., held]
        elif isinstance(memory, KeysValues):
            q, (k, v) = self._to_heads(self.q_proj(x), self.heads, self.q_norm, at), memory
        else:
            q = self._to_heads(self.q_proj(x), self.heads, self.q_norm, at)
            k, v = self.keys_values(x if memory is None else memory, at, rows)
        packed = mask if isinstance(mask, PackedMask) else None
        if packed is not None:
            q, k, v = packed.spread(q, k, v)
            mask = packed.mask
        if self.positions is not None and self.positions.biases:
            bias = self.positions.bias(q.shape[1], k.shape[1])
        settings: dict[str, Any] = {"window": self.window, "scale": self.scale}
        y = ops.attention(
            q, k, v, mask, bias, self.sinks, causal=causal, softcap=self.softcap, **settings
        ).flatten(2)
        if packed is not None:
            y = packed.queries.collect(y)
        if self.gate_proj is not None:
            y = y * ops.sigmoid(self.gate_proj(x))
        return self.out_proj(y)

    def keys_values(
        self, memory: Tensor, at: int | Tensor = 0, rows: Tensor | None = None
    ) -> KeysValues:
        """memory (B, S, D) -> k (B, S, G, H), v (B, S, G, Hv); decoding keeps them."""
        both = self.k_proj(memory)
        k = self._to_heads(both, self.kv_heads, self.k_norm, at)
        v = self._values(both if self.v_proj is None else self.v_proj(memory))
        return KeysValues(k, self._mixed(v, rows))

    def start(self, max_length: int) -> KeyValueCache:
        """What a decoding of up to ``max_length`` tokens keeps, of the weights as they are now."""
        maps = self._maps()
        k, v = (m.out_features // self.kv_heads for m in (maps[1], maps[-1]))
        sizes = (self.kv_heads, k), (self.kv_heads, v)
        fused = fused_projection(maps)
        if self.window is None:
            return KeyValueCache(fused, sizes, max_length)
        return WindowCache(fused, sizes, max_length, self.window)

    def _queries_keys_values(
        self, x: Tensor, kept: KeyValueCache, at: int | Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        if isinstance(self.q_proj, QuantizedLinear):
            x = self.q_proj.rounded(x)
        sizes = [m.out_features for m in self._maps()]
        q, k, *own = F.linear(x, *kept.fused).split(sizes, dim=2)
        q = self._to_heads(q, self.heads, self.q_norm, at)
        v = self._values(own[0] if own else k)
        return q, self._to_heads(k, self.kv_heads, self.k_norm, at), v

    def _maps(self) -> list[Linear]:
        """Of queries and keys, and of values where these have one."""
        maps = [self.q_proj, self.k_proj]
        return maps if self.v_proj is None else [*maps, self.v_proj]

    def _values(self, v: Tensor) -> Tensor:
        """v (B, S, G * Hv) -> (B, S, G, Hv), normed."""
        v = v.unflatten(2, (self.kv_heads, -1))
        return v if self.v_norm is None else self.v_norm(v)

    def _mixed(self, v: Tensor, rows: Tensor | None) -> Tensor:
        """v (B, S, G, Hv), rows (B, S, G * Hv) -> v, into which they are mixed if they are."""
        if self.value_mix is None or rows is None:
            return v
        mixed: Tensor = self.value_mix(v, rows.unflatten(2, (self.kv_heads, -1)))
        return mixed

    def _to_heads(self, x: Tensor, heads: int, norm: nn.Module | None, at: int | Tensor) -> Tensor:
        """x (B, T, N * H) of queries or keys -> (B, T, N, H), normed and turned."""
        if norm is not None and self.full_norm:
            x = norm(x)
        x = x.unflatten(2, (heads, -1))
        if norm is not None and not self.full_norm:
            x = norm(x)
        if self.positions is not None and self.positions.rotates:
            x = self.positions.rotate(x, at)
        return x
