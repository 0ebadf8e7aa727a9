"""A layer's mixer that keeps a state: the gated delta net (Yang et al., 2024, arXiv:2412.06464).

It stands where self-attention does, as in Qwen3-Next, whose sizes and order it has:

    q, k, v   = silu(conv(x q_proj^T)), silu(conv(x k_proj^T)), silu(conv(x v_proj^T))
    q, k      = unit(q) / sqrt(H), unit(k)                  a head's row at length 1
    beta      = sigmoid(x beta_proj^T)
    log_decay = -exp(log_rate) * softplus(x decay_proj^T + decay_bias)
    y         = gated_delta_rule(q, k, v, beta, log_decay)
    y         = (norm(y) * silu(x gate_proj^T)) out_proj^T

A key may be read by several heads of values, as grouped queries share keys in attention.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.causal_conv1d import CausalConv1d
from npformer.nn.delta_state import DeltaState
from npformer.nn.init import constant
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module, Parameter, require_positive
from npformer.nn.rms_norm import RMSNorm
from npformer.ops.causal_conv1d import CausalConv1dCache
from npformer.ops.chunked_gated_delta_rule import (
    ChunkedGatedDeltaRuleCache,
    chunked_gated_delta_rule_backward,
    chunked_gated_delta_rule_forward,
)
from npformer.ops.decay_gate import DecayGateCache, decay_gate_backward, decay_gate_forward
from npformer.ops.linear import LinearCache
from npformer.ops.rms_norm import RmsNormCache, rms_norm_backward, rms_norm_forward
from npformer.ops.sigmoid import SigmoidCache, sigmoid_backward, sigmoid_forward
from npformer.ops.silu import SiluCache, silu_backward, silu_forward
from npformer.ops.swiglu import SwigluCache, swiglu_backward, swiglu_forward

FORGOTTEN = -1e4
"""The logarithm of a decay that leaves exactly 0 in every precision: where a text begins."""
STEPS = 0.001, 0.1
"""What the first and the last head forget at a position, about, before training."""
UNIT_EPS = 1e-6
"""What is added to a key's squared length, H times rms_norm's eps."""


class StreamCache(NamedTuple):
    """Of queries, keys or values between x and the recurrence."""

    proj: LinearCache
    conv: CausalConv1dCache
    silu: SiluCache


class GatedDeltaNetCache(NamedTuple):
    streams: tuple[StreamCache, StreamCache, StreamCache]
    units: tuple[RmsNormCache, RmsNormCache]  # of queries and keys
    beta: tuple[LinearCache, SigmoidCache]
    decay: tuple[LinearCache, DecayGateCache]
    rule: ChunkedGatedDeltaRuleCache
    norm: RmsNormCache
    gate: tuple[LinearCache, SwigluCache]
    out_proj: LinearCache
    begins: Array | None  # (B, T) bool: where texts begin that share a row


class GatedDeltaNet(Module):
    """``heads`` states (key_size, value_size), written to by ``key_heads`` heads of keys.

    ``width`` are the positions of the short convolutions; ``eps`` is that of the norm behind the
    recurrence. Raises ConfigError for a size below 1, and for key heads that do not divide heads.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        *,
        key_heads: int | None = None,
        key_size: int,
        value_size: int,
        width: int = 4,
        eps: float = 1e-6,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        key_heads = heads if key_heads is None else key_heads
        require_positive(heads=heads, key_heads=key_heads, key_size=key_size, width=width)
        if heads % key_heads:
            raise ConfigError(
                f"key_heads is {key_heads}, which does not divide heads, {heads}; as many heads "
                "must read each key"
            )
        self.heads, self.key_heads, self.key_size = heads, key_heads, key_size
        self.width = width
        keys, values = key_heads * key_size, heads * value_size

        def linear(inputs: int, outputs: int) -> Linear:
            return Linear(inputs, outputs, bias=False, rng=rng, dtype=dtype)

        def conv(channels: int) -> CausalConv1d:
            return CausalConv1d(channels, width, bias=False, rng=rng, dtype=dtype)

        self.q_proj, self.k_proj = linear(d_model, keys), linear(d_model, keys)
        self.v_proj, self.gate_proj = linear(d_model, values), linear(d_model, values)
        self.q_conv, self.k_conv, self.v_conv = conv(keys), conv(keys), conv(values)
        self.beta_proj, self.decay_proj = linear(d_model, heads), linear(d_model, heads)
        self.log_rate = constant(0.0, heads, dtype)
        steps = np.geomspace(*STEPS, heads)  # so that heads begin with memories of unlike length
        self.decay_bias = Parameter(np.log(np.expm1(steps)).astype(dtype))
        self.norm = RMSNorm(value_size, eps, dtype=dtype)
        self.out_proj = linear(values, d_model)

    def forward(
        self, x: Array, *, at: int | Array | None = None, kept: DeltaState | None = None
    ) -> tuple[Array, GatedDeltaNetCache]:
        """x (B, T, D) -> y (B, T, D), cache.

        Positions ``at`` (B, T) say where each of several texts in a row begins, at 0; padding, at 0
        too, is one text a token. In decoding x goes on from ``kept``; then there is no backward.
        """
        at = 0 if at is None else at
        begins = None if isinstance(at, int) else at == 0
        q, k, v, streams = self._through_streams(x, at, kept)
        size = self.key_size
        q, q_unit = rms_norm_forward(self._by_head(q, self.key_heads), eps=UNIT_EPS / size)
        k, k_unit = rms_norm_forward(self._by_head(k, self.key_heads), eps=UNIT_EPS / size)
        q, k = self._shared(q) / size, self._shared(k) * size**-0.5
        beta, beta_proj = self.beta_proj.forward(x)
        beta, sigmoid = sigmoid_forward(beta)  # (B, T, N)
        decay, decay_proj = self.decay_proj.forward(x)
        decay, gated = decay_gate_forward(decay, self.log_rate.data, self.decay_bias.data)
        if begins is not None:
            decay = np.where(begins[:, :, None], decay.dtype.type(FORGOTTEN), decay)
        state = None if kept is None else kept.state
        y, rule = chunked_gated_delta_rule_forward(
            q, k, self._by_head(v, self.heads), beta, decay[..., None], state
        )
        if kept is not None:
            kept.state, kept.length = rule.last, kept.length + x.shape[1]
        y, norm = self.norm.forward(y)  # (B, T, N, Hv)
        gate, gate_proj = self.gate_proj.forward(x)
        y, swiglu = swiglu_forward(self._by_head(gate, self.heads), y)
        y, out_proj = self.out_proj.forward(_merge(y))
        return y, GatedDeltaNetCache(
            streams,
            (q_unit, k_unit),
            (beta_proj, sigmoid),
            (decay_proj, gated),
            rule,
            norm,
            (gate_proj, swiglu),
            out_proj,
            begins,
        )

    def backward(self, dy: Array, cache: GatedDeltaNetCache) -> Array:
        """dy (B, T, D) -> dx (B, T, D)."""
        dy = self._by_head(self.out_proj.backward(dy, cache.out_proj), self.heads)
        gate_proj, swiglu = cache.gate
        dgate, dy = swiglu_backward(dy, swiglu)
        dx = self.gate_proj.backward(_merge(dgate), gate_proj)
        dy = self.norm.backward(dy, cache.norm)
        dq, dk, dv, dbeta, ddecay, *_ = chunked_gated_delta_rule_backward(dy, cache.rule)

        decay_proj, gated = cache.decay
        ddecay = ddecay[..., 0]  # (B, T, N)
        if cache.begins is not None:
            ddecay = np.where(cache.begins[:, :, None], 0, ddecay)
        ddecay, dlog_rate, dbias = decay_gate_backward(ddecay, gated)
        self.log_rate.accumulate(dlog_rate)
        self.decay_bias.accumulate(dbias)
        dx = dx + self.decay_proj.backward(ddecay, decay_proj)
        beta_proj, sigmoid = cache.beta
        dx = dx + self.beta_proj.backward(sigmoid_backward(dbeta, sigmoid), beta_proj)

        q_unit, k_unit = cache.units
        dq, _ = rms_norm_backward(self._summed(dq) / self.key_size, q_unit)
        dk, _ = rms_norm_backward(self._summed(dk) * self.key_size**-0.5, k_unit)
        return dx + self._back_through_streams((_merge(dq), _merge(dk), _merge(dv)), cache)

    def start(self, max_length: int) -> DeltaState:
        """What a decoding keeps; its size does not depend on the length."""
        return DeltaState()

    def _through_streams(self, x: Array, at: int | Array, kept: DeltaState | None) -> Any:
        """x (B, T, D) -> q, k (B, T, G * H), v (B, T, N * Hv), and their caches."""
        found, caches = [], []
        for name in "qkv":
            proj, conv = getattr(self, f"{name}_proj"), getattr(self, f"{name}_conv")
            h, of_proj = proj.forward(x)
            before = 0
            if kept is not None:
                h = kept.looked_back(name, h, self.width, at)
                before = self.width - 1
            places = _apart(at, before, self.width, h.shape[:2])
            h, of_conv = conv.forward(_put(h, places))
            h, of_silu = silu_forward(_taken(h, places)[:, before:])
            found.append(h)
            caches.append(StreamCache(of_proj, of_conv, of_silu))
        return *found, tuple(caches)

    def _back_through_streams(self, dh: tuple[Array, ...], cache: GatedDeltaNetCache) -> Array:
        """dq, dk, dv (B, T, ...) -> dx (B, T, D), what comes back through them."""
        at = 0 if cache.begins is None else np.where(cache.begins, 0, 1)
        dx = 0.0
        for name, d, (proj, conv, silu) in zip("qkv", dh, cache.streams, strict=True):
            d = silu_backward(d, silu)
            places = _apart(at, 0, self.width, d.shape[:2])
            d = getattr(self, f"{name}_conv").backward(_put(d, places), conv)
            dx = dx + getattr(self, f"{name}_proj").backward(_taken(d, places), proj)
        return np.asarray(dx)

    def _by_head(self, x: Array, heads: int) -> Array:
        return x.reshape(*x.shape[:2], heads, x.shape[2] // heads)  # (B, T, N, H)

    def _shared(self, x: Array) -> Array:
        """x (B, T, G, H) -> (B, T, N, H), each as often as heads read it."""
        return np.repeat(x, self.heads // self.key_heads, axis=2)

    def _summed(self, dx: Array) -> Array:
        """dx (B, T, N, H) -> (B, T, G, H)."""
        shared = self.heads // self.key_heads
        return dx.reshape(*dx.shape[:2], self.key_heads, shared, dx.shape[3]).sum(3)


def _merge(x: Array) -> Array:
    return x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])  # (B, T, N * H)


def _apart(at: int | Array, before: int, width: int, shape: tuple[int, ...]) -> Array | None:
    """Places (B, T) at which no text is in the window of another; None where there is one a row.

    ``before`` are positions of an earlier call; they are in the window of the first.
    """
    if isinstance(at, int):
        return None
    begins = np.zeros(shape, int)
    begins[:, before:] = at == 0
    return np.arange(shape[1]) + (width - 1) * begins.cumsum(1)


def _put(x: Array, places: Array | None) -> Array:
    """x (B, T, channels) -> at these places, 0 between them."""
    if places is None:
        return x
    spread = np.zeros((len(x), int(places.max(initial=-1)) + 1, x.shape[2]), x.dtype)
    np.put_along_axis(spread, places[:, :, None], x, axis=1)
    return spread


def _taken(x: Array, places: Array | None) -> Array:
    """What stands at these places."""
    return x if places is None else np.take_along_axis(x, places[:, :, None], axis=1)
