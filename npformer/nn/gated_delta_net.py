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

from npformer.nn.convolved_streams import FORGOTTEN, STEPS, ConvolvedStreams, StreamCache, merge
from npformer.nn.delta_state import DeltaState
from npformer.nn.init import constant
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module, Parameter
from npformer.nn.rms_norm import RMSNorm
from npformer.ops.chunked_gated_delta_rule import (
    ChunkedGatedDeltaRuleCache,
    chunked_gated_delta_rule_backward,
    chunked_gated_delta_rule_forward,
)
from npformer.ops.decay_gate import decay_gate_backward, decay_gate_forward
from npformer.ops.linear import LinearCache
from npformer.ops.rms_norm import RmsNormCache, rms_norm_backward, rms_norm_forward
from npformer.ops.sigmoid import SigmoidCache, sigmoid_backward, sigmoid_forward
from npformer.ops.swiglu import swiglu_backward, swiglu_forward

UNIT_EPS = 1e-6
"""What is added to a key's squared length, H times rms_norm's eps."""


class GatedDeltaNetCache(NamedTuple):
    streams: tuple[StreamCache, StreamCache, StreamCache]
    units: tuple[RmsNormCache, RmsNormCache]  # of queries and keys
    beta: tuple[LinearCache, SigmoidCache]
    decay: Any  # of what makes the decay
    rule: ChunkedGatedDeltaRuleCache
    norm: RmsNormCache
    gate: Any  # of what opens the output
    out_proj: LinearCache
    begins: Array | None  # (B, T) bool: where texts begin that share a row


class GatedDeltaNet(ConvolvedStreams, Module):
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
        sizes = d_model, heads, key_heads, key_size, value_size
        self._make_streams(*sizes, width, bias=False, rng=rng, dtype=dtype)
        self.key_size = key_size
        self.beta_proj = Linear(d_model, heads, bias=False, rng=rng, dtype=dtype)
        self.log_rate = constant(0.0, heads, dtype)
        self._make_gates(d_model, value_size, rng, dtype)
        self.norm = RMSNorm(value_size, eps, dtype=dtype)
        self.out_proj = Linear(heads * value_size, d_model, bias=False, rng=rng, dtype=dtype)

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
        decay, of_decay = self._log_decay(x)  # (B, T, N, 1|H)
        if begins is not None:
            forgotten = decay.dtype.type(FORGOTTEN)
            decay = np.where(begins[:, :, None, None], forgotten, decay)
        state = None if kept is None else kept.state
        y, rule = chunked_gated_delta_rule_forward(
            q, k, self._by_head(v, self.heads), beta, decay, state
        )
        if kept is not None:
            kept.state, kept.length = rule.last, kept.length + x.shape[1]
        y, norm = self.norm.forward(y)  # (B, T, N, Hv)
        y, gate = self._gated(y, x)
        y, out_proj = self.out_proj.forward(merge(y))
        return y, GatedDeltaNetCache(
            streams,
            (q_unit, k_unit),
            (beta_proj, sigmoid),
            of_decay,
            rule,
            norm,
            gate,
            out_proj,
            begins,
        )

    def backward(self, dy: Array, cache: GatedDeltaNetCache) -> Array:
        """dy (B, T, D) -> dx (B, T, D)."""
        dy = self._by_head(self.out_proj.backward(dy, cache.out_proj), self.heads)
        dy, dx = self._back_from_gate(dy, cache.gate)
        dy = self.norm.backward(dy, cache.norm)
        dq, dk, dv, dbeta, ddecay, *_ = chunked_gated_delta_rule_backward(dy, cache.rule)

        if cache.begins is not None:
            ddecay = np.where(cache.begins[:, :, None, None], 0, ddecay)
        dx = dx + self._back_from_decay(ddecay, cache.decay)
        beta_proj, sigmoid = cache.beta
        dx = dx + self.beta_proj.backward(sigmoid_backward(dbeta, sigmoid), beta_proj)

        q_unit, k_unit = cache.units
        dq, _ = rms_norm_backward(self._summed(dq) / self.key_size, q_unit)
        dk, _ = rms_norm_backward(self._summed(dk) * self.key_size**-0.5, k_unit)
        dh = merge(dq), merge(dk), merge(dv)
        return dx + self._back_through_streams(dh, cache.streams, cache.begins)

    def _make_gates(
        self, d_model: int, value_size: int, rng: np.random.Generator, dtype: DTypeLike
    ) -> None:
        """What the decay and the gate of the output are made of."""
        self.gate_proj = Linear(d_model, self.heads * value_size, bias=False, rng=rng, dtype=dtype)
        self.decay_proj = Linear(d_model, self.heads, bias=False, rng=rng, dtype=dtype)
        steps = np.geomspace(
            *STEPS, self.heads
        )  # so that heads begin with memories of unlike length
        self.decay_bias = Parameter(np.log(np.expm1(steps)).astype(dtype))

    def _log_decay(self, x: Array) -> tuple[Array, Any]:
        """x (B, T, D) -> log_decay (B, T, N, 1), cache."""
        h, proj = self.decay_proj.forward(x)
        decay, gate = decay_gate_forward(h, self.log_rate.data, self.decay_bias.data)
        return decay[..., None], (proj, gate)

    def _back_from_decay(self, ddecay: Array, cache: Any) -> Array:
        """dlog_decay (B, T, N, 1) -> dx (B, T, D)."""
        proj, gate = cache
        dh, dlog_rate, dbias = decay_gate_backward(ddecay[..., 0], gate)
        self.log_rate.accumulate(dlog_rate)
        self.decay_bias.accumulate(dbias)
        return self.decay_proj.backward(dh, proj)

    def _gated(self, y: Array, x: Array) -> tuple[Array, Any]:
        """y (B, T, N, Hv), x (B, T, D) -> what is let through of y, cache."""
        gate, proj = self.gate_proj.forward(x)
        y, swiglu = swiglu_forward(self._by_head(gate, self.heads), y)
        return y, (proj, swiglu)

    def _back_from_gate(self, dy: Array, cache: Any) -> tuple[Array, Array]:
        """dy (B, T, N, Hv) -> dy of what was not gated, dx (B, T, D)."""
        proj, swiglu = cache
        dgate, dy = swiglu_backward(dy, swiglu)
        return dy, self.gate_proj.backward(merge(dgate), proj)
