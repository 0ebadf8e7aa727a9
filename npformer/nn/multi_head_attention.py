"""Multi-head attention, self and cross (Vaswani et al., 2017, section 3.2.2).

Each head attends in a space of its own: queries are projected from ``x``, keys and values from
``memory``. In self-attention the memory *is* x, so its gradient comes back by both arguments and
the caller adds them.

Chapter     walkthroughs/07_multi_head_attention.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module, require_positive
from npformer.ops.attention import AttentionCache, attention_backward, attention_forward
from npformer.ops.linear import LinearCache


class MultiHeadAttentionCache(NamedTuple):
    q_proj: LinearCache
    k_proj: LinearCache
    v_proj: LinearCache
    attention: AttentionCache
    out_proj: LinearCache


class MultiHeadAttention(Module):
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
        self, x: Array, memory: Array, mask: Array | None = None, *, causal: bool = False
    ) -> tuple[Array, MultiHeadAttentionCache]:
        """x (B, T, D), memory (B, S, D), mask (B|1, N|1, T|1, S) -> y (B, T, D), cache.

        The mask is boolean, True where a query may attend.
        """
        q, q_cache = self.q_proj.forward(x)
        k, k_cache = self.k_proj.forward(memory)
        v, v_cache = self.v_proj.forward(memory)
        y, attention = attention_forward(
            self._split(q), self._split(k), self._split(v), mask, causal=causal
        )
        y, out_cache = self.out_proj.forward(_merge(y))
        return y, MultiHeadAttentionCache(q_cache, k_cache, v_cache, attention, out_cache)

    def backward(self, dy: Array, cache: MultiHeadAttentionCache) -> tuple[Array, Array]:
        """dy (B, T, D) -> dx (B, T, D), dmemory (B, S, D)."""
        dy = self.out_proj.backward(dy, cache.out_proj)
        dq, dk, dv = attention_backward(self._split(dy), cache.attention)
        dx = self.q_proj.backward(_merge(dq), cache.q_proj)
        dmemory = self.k_proj.backward(_merge(dk), cache.k_proj)
        dmemory = dmemory + self.v_proj.backward(_merge(dv), cache.v_proj)
        return dx, dmemory

    def keys_values(self, memory: Array) -> tuple[Array, Array]:
        """memory (B, S, D) -> k, v (B, S, N, H), which decoding keeps from step to step."""
        k, _ = self.k_proj.forward(memory)
        v, _ = self.v_proj.forward(memory)
        return self._split(k), self._split(v)

    def attend(self, x: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
        """x (B, T, D) over kept keys and values (B, S, N, H) -> y (B, T, D); for decoding."""
        q, _ = self.q_proj.forward(x)
        y, _ = attention_forward(self._split(q), k, v, mask)
        return self.out_proj.forward(_merge(y))[0]

    def _split(self, x: Array) -> Array:
        return x.reshape(*x.shape[:2], self.heads, x.shape[2] // self.heads)  # (B, T, N, H)


def _merge(x: Array) -> Array:
    return x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])  # (B, T, N * H)
