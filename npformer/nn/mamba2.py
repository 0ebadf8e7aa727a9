"""Mamba-2's layer (Dao & Gu, 2024, arXiv:2405.21060): a state that decays by a step of time.

    q, k, v = silu(conv(x q_proj^T)), silu(conv(x k_proj^T)), silu(conv(x v_proj^T))
    step    = softplus(x decay_proj^T + decay_bias)              how long a token lasts, of a head
    y       = linear_attention(q, k, step * v, log_decay = -exp(log_rate) * step)
    y       = norm((y + skip * v) * silu(x gate_proj^T)) out_proj^T

In the paper's letters q is C, k is B, v is x, a state's key_size is N, value_size is P and
key_heads are the groups. That the recurrence is attention without a softmax, under a mask of
decays, is what it calls duality: ``linear_attention.py`` has the one form and
``chunked_linear_attention.py``, which runs here, both. What is written is not compared with what
is there already; a gated delta net does that besides.

The norm comes behind the gate, and is of the heads of a group together.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.convolved_streams import FORGOTTEN, STEPS, ConvolvedStreams, StreamCache, merge
from npformer.nn.delta_state import DeltaState
from npformer.nn.init import constant
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module, Parameter
from npformer.ops.chunked_linear_attention import (
    ChunkedLinearAttentionCache,
    chunked_linear_attention_backward,
    chunked_linear_attention_forward,
)
from npformer.ops.decay_gate import DecayGateCache, decay_gate_backward, decay_gate_forward
from npformer.ops.linear import LinearCache
from npformer.ops.rms_norm import RmsNormCache, rms_norm_backward, rms_norm_forward
from npformer.ops.swiglu import SwigluCache, swiglu_backward, swiglu_forward


class Mamba2Cache(NamedTuple):
    streams: tuple[StreamCache, StreamCache, StreamCache]
    v: Array  # (B, T, N, Hv)
    minus_step: Array  # (B, T, N)
    step: tuple[LinearCache, DecayGateCache]
    rule: ChunkedLinearAttentionCache
    gate: tuple[LinearCache, SwigluCache]
    norm: RmsNormCache
    xhat: Array  # (B, T, N * Hv), normed
    out_proj: LinearCache
    begins: Array | None  # (B, T) bool: where texts begin that share a row


class Mamba2(ConvolvedStreams, Module):
    """``heads`` states (key_size, value_size), written to by ``key_heads`` groups of keys.

    ``width`` are the positions of the short convolutions; ``eps`` is the norm's. Raises ConfigError
    for a size below 1, and for key heads that do not divide heads.
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
        self._make_streams(*sizes, width, bias=True, rng=rng, dtype=dtype)
        values = heads * value_size
        self.eps = eps
        self.gate_proj = Linear(d_model, values, bias=False, rng=rng, dtype=dtype)
        self.decay_proj = Linear(d_model, heads, bias=False, rng=rng, dtype=dtype)
        self.log_rate = Parameter(np.log(np.arange(1, heads + 1)).astype(dtype))
        steps = np.geomspace(*STEPS, heads)
        self.decay_bias = Parameter(np.log(np.expm1(steps)).astype(dtype))
        self.skip = constant(1.0, heads, dtype)
        self.norm_weight = constant(1.0, values, dtype)
        self.out_proj = Linear(values, d_model, bias=False, rng=rng, dtype=dtype)

    def forward(
        self, x: Array, *, at: int | Array | None = None, kept: DeltaState | None = None
    ) -> tuple[Array, Mamba2Cache]:
        """x (B, T, D) -> y (B, T, D), cache.

        Positions ``at`` (B, T) say where each of several texts in a row begins, at 0; padding, at 0
        too, is one text a token. In decoding x goes on from ``kept``; then there is no backward.
        """
        at = 0 if at is None else at
        begins = None if isinstance(at, int) else at == 0
        q, k, v, streams = self._through_streams(x, at, kept)
        q, k = (self._shared(self._by_head(h, self.key_heads)) for h in (q, k))
        v = self._by_head(v, self.heads)
        h, decay_proj = self.decay_proj.forward(x)
        # A decay at the rate of 1 is minus the step.
        minus, step = decay_gate_forward(h, np.zeros_like(self.skip.data), self.decay_bias.data)
        decay = np.exp(self.log_rate.data) * minus  # (B, T, N)
        if begins is not None:
            decay = np.where(begins[:, :, None], decay.dtype.type(FORGOTTEN), decay)
        state = None if kept is None else kept.state
        y, rule = chunked_linear_attention_forward(
            q, k, -minus[..., None] * v, decay[..., None], state
        )
        if kept is not None:
            kept.state, kept.length = rule.last, kept.length + x.shape[1]
        y = y + self.skip.data[:, None] * v
        gate, gate_proj = self.gate_proj.forward(x)
        y, swiglu = swiglu_forward(self._by_head(gate, self.heads), y)  # (B, T, N, Hv)
        xhat, norm = rms_norm_forward(self._by_head(merge(y), self.key_heads), eps=self.eps)
        xhat = merge(xhat)  # (B, T, N * Hv)
        y, out_proj = self.out_proj.forward(xhat * self.norm_weight.data)
        of_gate, of_step = (gate_proj, swiglu), (decay_proj, step)
        return y, Mamba2Cache(
            streams, v, minus, of_step, rule, of_gate, norm, xhat, out_proj, begins
        )

    def backward(self, dy: Array, cache: Mamba2Cache) -> Array:
        """dy (B, T, D) -> dx (B, T, D)."""
        dy = self.out_proj.backward(dy, cache.out_proj)
        self.norm_weight.accumulate((dy * cache.xhat).sum((0, 1)))
        dxhat = self._by_head(dy * self.norm_weight.data, self.key_heads)
        dy, _ = rms_norm_backward(dxhat, cache.norm)
        gate_proj, swiglu = cache.gate
        dgate, dy = swiglu_backward(self._by_head(merge(dy), self.heads), swiglu)
        dx = self.gate_proj.backward(merge(dgate), gate_proj)

        v, minus = cache.v, cache.minus_step
        self.skip.accumulate((dy * v).sum((0, 1, 3)))
        dq, dk, dwritten, ddecay, *_ = chunked_linear_attention_backward(dy, cache.rule)
        dv = self.skip.data[:, None] * dy - minus[..., None] * dwritten
        ddecay = ddecay[..., 0]  # (B, T, N)
        if cache.begins is not None:
            ddecay = np.where(cache.begins[:, :, None], 0, ddecay)
        rate = np.exp(self.log_rate.data)
        self.log_rate.accumulate((ddecay * rate * minus).sum((0, 1)))
        decay_proj, step = cache.step
        dminus = rate * ddecay - np.vecdot(dwritten, v)
        dh, _, dbias = decay_gate_backward(dminus, step)
        self.decay_bias.accumulate(dbias)
        dx = dx + self.decay_proj.backward(dh, decay_proj)
        dstreams = merge(self._summed(dq)), merge(self._summed(dk)), merge(dv)
        return dx + self._back_through_streams(dstreams, cache.streams, cache.begins)
