"""Multi-head attention, self and cross (Vaswani et al., 2017, section 3.2.2), and its variants.

Each head attends in a space of its own: queries are projected from ``x``, keys and values from
``memory``, which in self-attention is x itself. There the gradient comes back to x by all three
projections, and is their sum.

    q = turned(norm(x q_proj^T))    k = turned(norm(memory k_proj^T))    v = norm(memory v_proj^T)
    y = (attention(q, k, v) * sigmoid(x gate_proj^T)) out_proj^T

The norms (Dehghani et al., 2023, arXiv:2302.05442; Qwen 3, OLMo 2), the rotation, which comes after
them, and the gate (Qiu et al., 2025, arXiv:2505.06708) are there where the settings say so. A norm
bounds the scores, whatever the projections grow to; it must come first, for a weight for each
column does not commute with a rotation of pairs of columns. That of the values has no weight.

Values may also come from the keys' projection (Gemma 4), v = norm(memory k_proj^T): before it is
normed and turned to be the keys. Its gradient is then the sum of what comes back through both.

Chapter     walkthroughs/07_multi_head_attention.md
Chapter     walkthroughs/22_decoder_only.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.init import constant
from npformer.nn.key_value_cache import (
    KeysValues,
    KeyValueCache,
    RingCache,
    attention_to_kept,
)
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module, require_positive
from npformer.nn.norms import make_norm
from npformer.nn.positions import Positions, make_positions
from npformer.nn.rms_norm import RMSNorm
from npformer.nn.side_by_side import forward_side_by_side, lay_side_by_side
from npformer.nn.token_grid import PackedMask
from npformer.nn.value_mix import ValueMix, ValueMixCache
from npformer.ops.attention import AttentionCache, attention_backward, attention_forward
from npformer.ops.checks import check_choice, check_softcap, check_window
from npformer.ops.linear import LinearCache
from npformer.ops.rms_norm import RmsNormCache
from npformer.ops.sigmoid import SigmoidCache, sigmoid_backward, sigmoid_forward

QK_NORMS = ("none", "head", "full")
"""No norm of queries and keys; of each head by itself; of all heads together."""
BIASES = ("all", "qkv", "qvo", "none")
"""Which projections have a bias; the gate's goes with the queries'."""


class HeadsCache(NamedTuple):
    """Of queries or keys between their projection and the attention."""

    norm: Any = None
    rotation: Any = None


class KeysValuesCache(NamedTuple):
    k_proj: LinearCache
    v_proj: LinearCache | None  # None where values come from the keys
    k_heads: HeadsCache = HeadsCache()
    v_norm: RmsNormCache | None = None
    mix: ValueMixCache | None = None


class GateCache(NamedTuple):
    proj: LinearCache
    sigmoid: SigmoidCache
    open: Array  # (B, T, N * Hv)
    y: Array  # (B, T, N * Hv), before the gate


class MultiHeadAttentionCache(NamedTuple):
    q_proj: LinearCache
    keys_values: KeysValuesCache | None  # None where they were given; then there is no backward
    attention: AttentionCache  # in decoding it may be of tiles
    out_proj: LinearCache
    has_memory: bool  # False for self-attention
    q_heads: HeadsCache = HeadsCache()
    bias: Any = None  # of its own positions
    gate: GateCache | None = None
    packed: PackedMask | None = None


class MultiHeadAttention(Module):
    """``heads`` attentions side by side, of size ``d_k`` (queries, keys) and ``d_v`` (values).

    ``kv_heads`` keys and values are read by heads / kv_heads heads each, unless every head has its
    own. ``bias`` is one of ``BIASES``, ``qk_norm`` of ``QK_NORMS``, of the kind ``norm_type``;
    ``positions`` are the arguments of ``make_positions`` for those that turn or bias. ``window``,
    ``softcap`` and ``scale`` are those of the op; with ``sinks`` each head learns one, and with
    ``gate`` a sigmoid of another projection of x multiplies what the heads found. ``value_norm`` is
    whether each head's values have a norm without a weight, ``values_from_keys`` whether they are
    what the keys' projection gives, ``value_mix`` whether rows by token are mixed into them.

    A row of the memory that the mask hides from every query changes nothing, neither y nor any
    gradient, even if it is NaN; with ``torch.nn.MultiheadAttention`` it makes both NaN.

    Both sizes default to d_model / heads. Raises ConfigError if they are not given and ``heads``
    does not divide ``d_model``, and for any other setting that is not allowed.
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
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        d_k, d_v, groups = head_sizes(d_model, heads, d_k, d_v, kv_heads)
        check_choice("bias", bias, BIASES)
        check_choice("qk_norm", qk_norm, QK_NORMS)
        check_softcap(softcap)
        if values_from_keys and d_k != d_v:
            raise ConfigError(
                f"d_k is {d_k} and d_v {d_v}; values that come from the keys are as wide as these"
            )
        if window is not None:
            check_window(window)
        self.heads, self.kv_heads = heads, groups
        self.window, self.softcap, self.scale = window, softcap, scale
        self.full_norm = qk_norm == "full"
        inner = bias != "none"
        self.q_proj = Linear(d_model, heads * d_k, inner, rng=rng, dtype=dtype)
        self.k_proj = Linear(d_model, groups * d_k, inner and bias != "qvo", rng=rng, dtype=dtype)
        self.v_proj: Linear | None = None
        if not values_from_keys:
            self.v_proj = Linear(d_model, groups * d_v, inner, rng=rng, dtype=dtype)
        self.out_proj = Linear(heads * d_v, d_model, bias in ("all", "qvo"), rng=rng, dtype=dtype)
        self.q_norm = self.k_norm = None
        if qk_norm != "none":
            q_size, k_size = (n * d_k if self.full_norm else d_k for n in (heads, groups))
            self.q_norm = make_norm(norm_type, q_size, eps, dtype=dtype)
            self.k_norm = make_norm(norm_type, k_size, eps, dtype=dtype)
        self.v_norm = RMSNorm(d_v, eps, weight=False, dtype=dtype) if value_norm else None
        self.value_mix = ValueMix(dtype=dtype) if value_mix else None
        self.positions: Positions | None = None
        if positions is not None:
            self.positions = make_positions(**positions, d_model=d_model, rng=rng, dtype=dtype)
        self.sinks = constant(0.0, heads, dtype) if sinks else None
        self.gate_proj = Linear(d_model, heads * d_v, inner, rng=rng, dtype=dtype) if gate else None
        self._joint: Array | None = None

    def forward(
        self,
        x: Array,
        memory: Array | KeysValues | None = None,
        mask: Array | PackedMask | None = None,
        bias: Array | None = None,
        *,
        causal: bool = False,
        at: int | Array | None = None,
        kept: KeyValueCache | None = None,
        rows: Array | None = None,
    ) -> tuple[Array, MultiHeadAttentionCache]:
        """x (B, T, D), memory (B, S, D) or None, mask (B|1, N|1, T|1, S) -> y (B, T, D), cache.

        Without a memory x attends to itself. The mask is boolean, True where a query may attend.
        A ``bias`` (B|1, N|1, T|1, S) is added to the scores, for attention that has no positions
        of its own that bias them.
        ``at`` are the positions of x's tokens, of which the first has 0 unless given.
        In decoding, the memory may come as the keys and values that ``keys_values`` once made of
        it, and those of x join the earlier positions' in ``kept``, on which mask and bias are then.
        With a ``PackedMask``, x (1, n, D) and the memory (1, m, D) are tokens without padding; a
        bias is of their grids. ``rows`` (B, T, G * Hv) are mixed into x's own values.
        """
        if at is None:
            at = 0 if kept is None else kept.length
        # In decoding alone, for a forward with a backward is the same to the bit if it is watched.
        joint = self._joint if memory is None and kept is not None else None
        projected = forward_side_by_side(x, joint, *self._projections())
        q, q_cache = next(projected)
        q, q_heads = self._to_heads(q, self.heads, self.q_norm, at)
        if isinstance(memory, KeysValues):
            (k, v), kv_cache = memory, None
        elif memory is None:
            (k, v), kv_cache = self._to_keys_values(projected, at, rows)
        else:
            (k, v), kv_cache = self.keys_values(memory, at)
        packed = None
        if isinstance(mask, PackedMask):
            assert kept is None, "decoding keeps a batch's rows apart"
            packed, mask = mask, mask.mask
            q, k, v = packed.spread(q, k, v)
        if kept is not None:
            k, v = kept.append(k, v)
            held = slice(-k.shape[1], None)  # a window's keys are the last ones
            mask = None if mask is None else mask[..., held]
            bias = None if bias is None else bias[..., held]
        bias_cache = None
        if self.positions is not None and self.positions.biases:
            bias, bias_cache = self.positions.bias(q.shape[1], k.shape[1])
        sinks = None if self.sinks is None else self.sinks.data
        settings: dict[str, Any] = {"window": self.window, "scale": self.scale}
        settings["softcap"] = self.softcap
        attends = attention_forward if kept is None else attention_to_kept(q.shape[1])
        y, attention = attends(q, k, v, mask, bias, sinks, causal=causal, **settings)
        y = _merge(y)
        if packed is not None:
            y = packed.queries.collect(y)
        y, gate = self._through_gate(x, y)
        y, out_cache = self.out_proj.forward(y)
        has_memory = memory is not None
        return y, MultiHeadAttentionCache(
            q_cache, kv_cache, attention, out_cache, has_memory, q_heads, bias_cache, gate, packed
        )

    def backward(self, dy: Array, cache: MultiHeadAttentionCache) -> Any:
        """dy (B, T, D) -> dx (B, T, D), then dmemory (B, S, D), dbias and drows where they were
        given."""
        assert cache.keys_values is not None, "decoding has no backward"
        dy = self.out_proj.backward(dy, cache.out_proj)
        dx_gate = None
        if cache.gate is not None:
            dy, dx_gate = self._back_through_gate(dy, cache.gate)
        if cache.packed is not None:
            dy = cache.packed.queries.spread(dy)
        dq, dk, dv, *others = attention_backward(self._split(dy), cache.attention)
        if cache.packed is not None:
            dq, dk, dv = cache.packed.collect(dq, dk, dv)
        if self.sinks is not None:
            self.sinks.accumulate(others.pop())
        if self.positions is not None and self.positions.biases:
            self.positions.bias_backward(others.pop(), cache.bias)
        keys_values = cache.keys_values
        dq = self._from_heads(dq, self.q_norm, cache.q_heads)
        dk = self._from_heads(dk, self.k_norm, keys_values.k_heads)
        dx = self.q_proj.backward(dq, cache.q_proj)
        if dx_gate is not None:
            dx = dx + dx_gate
        dmemory, *drows = self._keys_values_backward(dk, dv, keys_values)
        others += drows
        found = (dx, dmemory) if cache.has_memory else (dx + dmemory,)
        return (*found, *others) if cache.has_memory or others else found[0]

    def keys_values(self, memory: Array, at: int | Array = 0) -> tuple[KeysValues, KeysValuesCache]:
        """memory (B, S, D) of tokens at ``at`` -> k (B, S, G, H), v (B, S, G, Hv), cache."""
        projected = forward_side_by_side(memory, None, *self._projections()[1:])
        return self._to_keys_values(projected, at)

    def _keys_values_backward(self, dk: Array, dv: Array, cache: KeysValuesCache) -> list[Array]:
        """dk (B, S, G * H) of the keys' projection, dv (B, S, G, Hv) -> dmemory, drows."""
        rows: list[Array] = []
        if self.value_mix is not None and cache.mix is not None:
            dv, drow = self.value_mix.backward(dv, cache.mix)
            rows = [_merge(drow)]
        if self.v_norm is not None and cache.v_norm is not None:
            dv = self.v_norm.backward(dv, cache.v_norm)
        dv = _merge(dv)
        if self.v_proj is None or cache.v_proj is None:
            return [self.k_proj.backward(dk + dv, cache.k_proj), *rows]
        dmemory = self.k_proj.backward(dk, cache.k_proj)
        return [dmemory + self.v_proj.backward(dv, cache.v_proj), *rows]

    def lay_side_by_side(self) -> None:
        """The projections of self-attention lie in one array from now on (``side_by_side.py``)."""
        self._joint = lay_side_by_side(*self._projections())

    def start(self, max_length: int) -> KeyValueCache:
        """What a decoding of up to ``max_length`` tokens keeps: of a window, so many keys."""
        if self.window is None:
            return KeyValueCache(max_length)
        return RingCache(max_length, self.window)

    def _projections(self) -> tuple[Linear, ...]:
        """Queries', keys' and values', in that order; the last may not be there."""
        every = (self.q_proj, self.k_proj, self.v_proj)
        return tuple(linear for linear in every if linear is not None)

    def _to_keys_values(
        self,
        projected: Iterator[tuple[Array, LinearCache]],
        at: int | Array,
        rows: Array | None = None,
    ) -> tuple[KeysValues, KeysValuesCache]:
        """k (B, S, G * H), then v (B, S, G * Hv) as they are projected -> their heads, cache."""
        both, k_cache = next(projected)
        k, k_heads = self._to_heads(both, self.kv_heads, self.k_norm, at)
        v, v_cache = (both, None) if self.v_proj is None else next(projected)
        v, v_norm = self._split(v, self.kv_heads), None
        if self.v_norm is not None:
            v, v_norm = self.v_norm.forward(v)
        mix = None
        if self.value_mix is not None:
            assert rows is not None, "values with a mixture are called with their rows"
            v, mix = self.value_mix.forward(v, self._split(rows, self.kv_heads))
        return KeysValues(k, v), KeysValuesCache(k_cache, v_cache, k_heads, v_norm, mix)

    def _to_heads(
        self, x: Array, heads: int, norm: Any, at: int | Array
    ) -> tuple[Array, HeadsCache]:
        """x (B, T, N * H) of queries or keys -> (B, T, N, H), normed and turned, cache."""
        normed, rotation = None, None
        if norm is not None and self.full_norm:
            x, normed = norm.forward(x)
        x = self._split(x, heads)
        if norm is not None and not self.full_norm:
            x, normed = norm.forward(x)
        if self.positions is not None and self.positions.rotates:
            x, rotation = self.positions.rotate(x, at)
        return x, HeadsCache(normed, rotation)

    def _from_heads(self, dx: Array, norm: Any, cache: HeadsCache) -> Array:
        """dx (B, T, N, H) -> (B, T, N * H): the same steps from the last to the first."""
        if self.positions is not None and self.positions.rotates:
            dx = self.positions.rotate_backward(dx, cache.rotation)
        if norm is not None and not self.full_norm:
            dx = norm.backward(dx, cache.norm)
        dx = _merge(dx)
        if norm is not None and self.full_norm:
            dx = norm.backward(dx, cache.norm)
        return dx

    def _through_gate(self, x: Array, y: Array) -> tuple[Array, GateCache | None]:
        """x (B, T, D), y (B, T, N * Hv) -> y times the gate that x opens, cache."""
        if self.gate_proj is None:
            return y, None
        gate, proj = self.gate_proj.forward(x)
        gate, sigmoid = sigmoid_forward(gate)  # (B, T, N * Hv)
        return y * gate, GateCache(proj, sigmoid, gate, y)

    def _back_through_gate(self, dy: Array, cache: GateCache) -> tuple[Array, Array]:
        """dy (B, T, N * Hv) -> that of y before the gate, and dx (B, T, D) by the gate."""
        assert self.gate_proj is not None
        dgate = sigmoid_backward(dy * cache.y, cache.sigmoid)
        return dy * cache.open, self.gate_proj.backward(dgate, cache.proj)

    def _split(self, x: Array, heads: int | None = None) -> Array:
        n = self.heads if heads is None else heads
        return x.reshape(*x.shape[:2], n, x.shape[2] // n)  # (B, T, N, H)


def _merge(x: Array) -> Array:
    return x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])  # (B, T, N * H)


def head_sizes(
    d_model: int, heads: int, d_k: int | None, d_v: int | None, kv_heads: int | None
) -> tuple[int, int, int]:
    """Size of a head's queries and keys, of its values, and how many heads have keys of their own.

    Raises ConfigError as ``MultiHeadAttention``.
    """
    require_positive(d_model=d_model, heads=heads)
    if d_model % heads and (d_k is None or d_v is None):
        raise ConfigError(f"heads is {heads}, which does not divide d_model, {d_model}")
    kv_heads = heads if kv_heads is None else kv_heads
    require_positive(kv_heads=kv_heads)
    if heads % kv_heads:
        raise ConfigError(
            f"kv_heads is {kv_heads}, which does not divide heads, {heads}; as many heads must "
            "read each of them"
        )
    d_k = d_model // heads if d_k is None else d_k
    return d_k, d_model // heads if d_v is None else d_v, kv_heads
