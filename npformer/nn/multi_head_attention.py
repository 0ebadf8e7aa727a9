"""Multi-head attention, self and cross (Vaswani et al., 2017, section 3.2.2).

Each head attends in a space of its own: queries are projected from ``x``, keys and values from
``memory``, which in self-attention is x itself. There the gradient comes back to x by all three
projections, and is their sum.

Chapter     walkthroughs/07_multi_head_attention.md
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.key_value_cache import KeysValues, KeyValueCache
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module, require_positive
from npformer.ops.attention import AttentionCache, attention_backward, attention_forward
from npformer.ops.linear import LinearCache


class MultiHeadAttentionCache(NamedTuple):
    q_proj: LinearCache
    keys_values: KeysValuesCache | None  # None where they were given; then there is no backward
    attention: AttentionCache
    out_proj: LinearCache
    has_memory: bool  # False for self-attention


class KeysValuesCache(NamedTuple):
    k_proj: LinearCache
    v_proj: LinearCache


class MultiHeadAttention(Module):
    """``heads`` attentions side by side, of size ``d_k`` (queries, keys) and ``d_v`` (values).

    A row of the memory that the mask hides from every query changes nothing, neither y nor any
    gradient, even if it is NaN; with ``torch.nn.MultiheadAttention`` it makes both NaN.

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
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(d_model=d_model, heads=heads)
        if d_model % heads and (d_k is None or d_v is None):
            raise ConfigError(f"heads is {heads}, which does not divide d_model, {d_model}")
        d_k = d_model // heads if d_k is None else d_k
        d_v = d_model // heads if d_v is None else d_v
        self.heads = heads
        self.q_proj = Linear(d_model, heads * d_k, rng=rng, dtype=dtype)
        self.k_proj = Linear(d_model, heads * d_k, rng=rng, dtype=dtype)
        self.v_proj = Linear(d_model, heads * d_v, rng=rng, dtype=dtype)
        self.out_proj = Linear(heads * d_v, d_model, rng=rng, dtype=dtype)

    def forward(
        self,
        x: Array,
        memory: Array | KeysValues | None = None,
        mask: Array | None = None,
        *,
        causal: bool = False,
        kept: KeyValueCache | None = None,
    ) -> tuple[Array, MultiHeadAttentionCache]:
        """x (B, T, D), memory (B, S, D) or None, mask (B|1, N|1, T|1, S) -> y (B, T, D), cache.

        Without a memory x attends to itself. The mask is boolean, True where a query may attend.
        In decoding, the memory may come as the keys and values that ``keys_values`` once made of
        it, and those of x join the earlier positions' in ``kept``.
        """
        q, q_cache = self.q_proj.forward(x)
        if isinstance(memory, KeysValues):
            (k, v), kv_cache = memory, None
        else:
            (k, v), kv_cache = self.keys_values(x if memory is None else memory)
        if kept is not None:
            k, v = kept.append(k, v)
        y, attention = attention_forward(self._split(q), k, v, mask, causal=causal)
        y, out_cache = self.out_proj.forward(_merge(y))
        return y, MultiHeadAttentionCache(
            q_cache, kv_cache, attention, out_cache, memory is not None
        )

    def backward(self, dy: Array, cache: MultiHeadAttentionCache) -> Any:
        """dy (B, T, D) -> dx (B, T, D), and with a memory dmemory (B, S, D) after it."""
        assert cache.keys_values is not None, "decoding has no backward"
        dy = self.out_proj.backward(dy, cache.out_proj)
        dq, dk, dv = attention_backward(self._split(dy), cache.attention)
        dx = self.q_proj.backward(_merge(dq), cache.q_proj)
        dmemory = self.k_proj.backward(_merge(dk), cache.keys_values.k_proj)
        dmemory = dmemory + self.v_proj.backward(_merge(dv), cache.keys_values.v_proj)
        return (dx, dmemory) if cache.has_memory else dx + dmemory

    def keys_values(self, memory: Array) -> tuple[KeysValues, KeysValuesCache]:
        """memory (B, S, D) -> k (B, S, N, H) and v (B, S, N, Hv), cache."""
        k, k_cache = self.k_proj.forward(memory)
        v, v_cache = self.v_proj.forward(memory)
        return KeysValues(self._split(k), self._split(v)), KeysValuesCache(k_cache, v_cache)

    def _split(self, x: Array) -> Array:
        return x.reshape(*x.shape[:2], self.heads, x.shape[2] // self.heads)  # (B, T, N, H)


def _merge(x: Array) -> Array:
    return x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])  # (B, T, N * H)
