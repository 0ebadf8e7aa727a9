"""One layer of a Transformer (Vaswani et al., 2017, section 3.1): an encoder's or a decoder's.

Self-attention, then attention over a memory if the layer has any, then the feed-forward network,
each inside a residual. A decoder's self-attention is causal. Or, in parallel (GPT-J: Wang and
Komatsuzaki, 2021), the two are one branch: y = x + self_attn(N(x)) + feed_forward(N(x)).

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.convolved_streams import ConvolvedStreams
from npformer.nn.feed_forward import make_feed_forward
from npformer.nn.gated_delta_net import GatedDeltaNet
from npformer.nn.gated_feed_forward import GatedFeedForward
from npformer.nn.kimi_delta_attention import KimiDeltaAttention
from npformer.nn.latent_attention import LatentAttention
from npformer.nn.layer_scalar import LayerScalar
from npformer.nn.layer_state import KeptMemory, LayerState
from npformer.nn.mamba2 import Mamba2
from npformer.nn.mixture_of_experts import Auxiliary, MixtureOfExperts
from npformer.nn.module import Array, Module
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.nn.per_layer_gate import PerLayerGate
from npformer.nn.residual import Residual, ResidualCache
from npformer.nn.sentence_grid import SentenceGrid
from npformer.nn.stream_residual import StreamResidual
from npformer.nn.token_grid import PackedMask
from npformer.ops.layer_scalar import LayerScalarCache

KEEPING_A_STATE = {"delta": GatedDeltaNet, "kimi": KimiDeltaAttention, "state_space": Mamba2}
"""What may stand where self-attention does, by the name that its settings go under."""


class LayerCache(NamedTuple):
    self_attn: ResidualCache
    cross_attn: ResidualCache | None
    feed_forward: ResidualCache | None  # None in parallel: self_attn's has those of both
    per_layer: ResidualCache | None = None
    layer_scalar: LayerScalarCache | None = None

    @property
    def auxiliary(self) -> Auxiliary | None:
        """What experts add to the loss, where it was asked for."""
        if self.feed_forward is None:
            return getattr(self.self_attn.sublayer[1], "auxiliary", None)
        return getattr(self.feed_forward.sublayer, "auxiliary", None)


class Layer(Module):
    """Self-attention, cross-attention if ``cross_attention``, and the feed-forward network.

    ``attention`` are further settings of self-attention, and ``memory_attention`` of
    cross-attention, those of ``MultiHeadAttention``, where a ``d_k`` and ``d_v`` are its own; with
    a ``latent_size`` among them, those of ``LatentAttention``, and as ``{"delta": settings}`` those
    of a ``GatedDeltaNet`` in the place of self-attention, or of another of ``KEEPING_A_STATE``.
    ``bias`` is whether the feed-forward network has one. Without ``first_norm`` self-attention has
    no norm, for a stream that is normed already. ``experts`` are settings of ``MixtureOfExperts``,
    which takes the feed-forward network's place, and may have a ``d_ff`` of its own.
    ``residual_scale`` is the factor of every branch. In ``parallel`` both sub-layers are inside
    self-attention's residual. With ``streams``, settings of ``StreamResidual``, x and y have an
    axis of streams before the last. With ``per_layer``, settings of ``PerLayerGate``, a branch of
    its own comes last, normed. ``layer_scalar``, settings of ``LayerScalar``, is a number that
    multiplies all that leaves the layer.
    Raises ConfigError as its parts do, and for cross-attention in parallel.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        d_ff: int,
        *,
        causal: bool = False,
        cross_attention: bool = False,
        d_k: int | None = None,
        d_v: int | None = None,
        dropout: float = 0.0,
        norm: str = "post",
        activation: str = "relu",
        eps: float = 1e-5,
        norm_type: str = "layer_norm",
        bias: bool = True,
        attention: Mapping[str, Any] | None = None,
        memory_attention: Mapping[str, Any] | None = None,
        first_norm: bool = True,
        experts: Mapping[str, Any] | None = None,
        residual_scale: float = 1.0,
        parallel: bool = False,
        streams: Mapping[str, Any] | None = None,
        per_layer: Mapping[str, Any] | None = None,
        layer_scalar: Mapping[str, Any] | None = None,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        def residual(placement: str) -> Any:
            if streams is not None:
                own: dict[str, Any] = {"norm_type": norm_type, "scale": residual_scale}
                return StreamResidual(d_model, dropout, **streams, eps=eps, **own, dtype=dtype)
            return Residual(
                d_model,
                dropout,
                placement,
                eps,
                norm_type=norm_type,
                scale=residual_scale,
                dtype=dtype,
            )

        def attends(**more: Any) -> MultiHeadAttention:
            sizes: dict[str, Any] = {"d_k": d_k, "d_v": d_v} | more
            return MultiHeadAttention(d_model, heads, **sizes, rng=rng, dtype=dtype)

        if parallel and cross_attention:
            raise ConfigError("a layer in parallel has no cross-attention; give one of the two")
        self.causal = causal
        self.self_attn_residual = residual(norm if first_norm else "none")
        self.self_attn: Any
        keeps = next((name for name in KEEPING_A_STATE if name in (attention or ())), None)
        if attention is not None and keeps is not None:
            kind: Any = KEEPING_A_STATE[keeps]
            self.self_attn = kind(d_model, **attention[keeps], rng=rng, dtype=dtype)
        elif attention is not None and "latent_size" in attention:
            assert d_k is not None and d_v is not None
            self.self_attn = LatentAttention(
                d_model, heads, d_k, d_v, **attention, rng=rng, dtype=dtype
            )
        else:
            self.self_attn = attends(**(attention or {}))
        self.cross_attn_residual = residual(norm) if cross_attention else None
        self.cross_attn = attends(**(memory_attention or {})) if cross_attention else None
        self.feed_forward_residual = None if parallel else residual(norm)
        self.feed_forward: Any
        if experts is None:
            self.feed_forward = make_feed_forward(
                d_model, d_ff, activation, bias=bias, rng=rng, dtype=dtype
            )
        else:
            settings: dict[str, Any] = {"d_ff": d_ff, "activation": activation, "bias": bias}
            settings |= experts
            self.feed_forward = MixtureOfExperts(d_model, **settings, rng=rng, dtype=dtype)
        self.per_layer_residual = self.per_layer = None
        if per_layer is not None:
            self.per_layer_residual = residual("branch")
            self.per_layer = PerLayerGate(d_model, **per_layer, rng=rng, dtype=dtype)
        self.layer_scalar: LayerScalar | None = None
        if layer_scalar is not None:
            self.layer_scalar = LayerScalar(**layer_scalar, dtype=dtype)

    def forward(
        self,
        x: Array,
        memory: Array | None = None,
        mask: Array | PackedMask | None = None,
        memory_mask: Array | PackedMask | None = None,
        rng: np.random.Generator | None = None,
        state: LayerState | None = None,
        at: int | Array | None = None,
        texts: Array | None = None,
        bias: Array | None = None,
        values: Array | None = None,
        rows: Array | None = None,
    ) -> tuple[Array, LayerCache]:
        """x (B, T, D), memory (B, S, D), masks to (B, N, T, T) and (B, N, T, S) -> y, cache.

        Or, where masks are ``PackedMask``, their tokens without padding, (1, n, D) and (1, m, D).
        With the ``state`` of a decoding, x are the positions after those that it keeps, and its
        memory is read in place of ``memory``; then there is no backward. ``at`` are the positions
        of x's tokens, where they are others. ``texts`` (B, T) are those that the experts'
        auxiliary losses are of, as in ``MixtureOfExperts``; None asks for no such loss. ``bias`` is
        added to the scores of self-attention. ``values`` (B, T, G * Hv) are the tokens'
        embeddings that it mixes into its values, ``rows`` (B, T, P) those of a layer with its own.
        """

        keeps_a_state = isinstance(self.self_attn, ConvolvedStreams)

        def attend(h: Array) -> tuple[Array, Any]:
            kept: Any = None if state is None else state.self_attn
            if keeps_a_state:
                return self.self_attn.forward(h, at=at, kept=kept)
            given = {"bias": bias, "rows": values}
            more = {name: array for name, array in given.items() if array is not None}
            return self.self_attn.forward(
                h, mask=mask, **more, causal=self.causal, at=at, kept=kept
            )

        def attend_memory(h: Array) -> tuple[Array, Any]:
            assert self.cross_attn is not None
            if state is None or state.memory is None:
                return self.cross_attn.forward(h, memory, memory_mask)
            h, cache = self.cross_attn.forward(
                state.memory.grid.spread(h), state.memory.keys_values, memory_mask
            )
            return state.memory.grid.collect(h), cache

        counted = texts is not None and isinstance(self.feed_forward, MixtureOfExperts)

        def feed(h: Array) -> tuple[Array, Any]:
            if not counted:
                return self.feed_forward.forward(h)
            return self.feed_forward.forward(h, texts)

        def both(h: Array) -> tuple[Array, Any]:
            found, of_attention = attend(h)
            more, of_network = feed(h)
            return found + more, (of_attention, of_network)

        if self.feed_forward_residual is None:
            x, whole = self.self_attn_residual.forward(x, both, rng)
            x, per_layer = self._add_row(x, rows, rng)
            y, scalar = self._scaled(x)
            return y, LayerCache(whole, None, None, per_layer, scalar)
        x, self_attn = self.self_attn_residual.forward(x, attend, rng)
        cross_attn = None
        if self.cross_attn_residual is not None:
            x, cross_attn = self.cross_attn_residual.forward(x, attend_memory, rng)
        x, feed_forward = self.feed_forward_residual.forward(x, feed, rng)
        x, per_layer = self._add_row(x, rows, rng)
        y, scalar = self._scaled(x)
        return y, LayerCache(self_attn, cross_attn, feed_forward, per_layer, scalar)

    def backward(self, dy: Array, cache: LayerCache) -> Any:
        """dy (B, T, D) -> dx (B, T, D), then dmemory (B, S, D), dbias, dvalues and drows where they
        were given."""
        if self.layer_scalar is not None and cache.layer_scalar is not None:
            dy = self.layer_scalar.backward(dy, cache.layer_scalar)
        rows: list[Array] = []
        if self.per_layer_residual is not None and self.per_layer is not None:
            assert cache.per_layer is not None
            dy, *rows = self.per_layer_residual.backward(
                dy, cache.per_layer, self.per_layer.backward
            )
        if self.feed_forward_residual is None or cache.feed_forward is None:
            dx = self.self_attn_residual.backward(dy, cache.self_attn, self._both_backward)
            dx, *biases = dx if isinstance(dx, tuple) else (dx,)
            return (dx, *biases, *rows) if biases or rows else dx
        dx = self.feed_forward_residual.backward(dy, cache.feed_forward, self.feed_forward.backward)
        memories: list[Array] = []
        if self.cross_attn_residual is not None and self.cross_attn is not None:
            assert cache.cross_attn is not None
            dx, *memories = self.cross_attn_residual.backward(
                dx, cache.cross_attn, self.cross_attn.backward
            )
        dx = self.self_attn_residual.backward(dx, cache.self_attn, self.self_attn.backward)
        dx, *biases = dx if isinstance(dx, tuple) else (dx,)
        others = (*memories, *biases, *rows)
        return (dx, *others) if others else dx

    def _add_row(
        self, x: Array, rows: Array | None, rng: np.random.Generator | None
    ) -> tuple[Array, ResidualCache | None]:
        """x (B, T, D), rows (B, T, P) -> y (B, T, D), cache; x itself in a layer that has none."""
        if self.per_layer_residual is None or self.per_layer is None:
            return x, None
        gate, row = self.per_layer, rows
        assert row is not None, "a layer with embeddings of its own is called with their rows"
        return self.per_layer_residual.forward(x, lambda h: gate.forward(h, row), rng)

    def _scaled(self, x: Array) -> tuple[Array, LayerScalarCache | None]:
        """x (B, T, D) -> y (B, T, D), cache; x itself in a layer without a scalar."""
        return (x, None) if self.layer_scalar is None else self.layer_scalar.forward(x)

    def _both_backward(self, dh: Array, cache: tuple[Any, Any]) -> Any:
        """dh (B, T, D) of the sum -> that of what both read, then dbias and dvalues where given."""
        of_attention, of_network = cache
        dx = self.self_attn.backward(dh, of_attention)
        dx, *biases = dx if isinstance(dx, tuple) else (dx,)
        dx = dx + self.feed_forward.backward(dh, of_network)
        return (dx, *biases) if biases else dx

    def lay_side_by_side(self) -> None:
        """Projections of one input lie in one array from now on, of parts that can tell them so."""
        for part in (self.self_attn, self.feed_forward):
            if isinstance(part, MultiHeadAttention | GatedFeedForward):
                part.lay_side_by_side()

    def start(self, max_length: int, memory: Array | None = None) -> LayerState:
        """memory (B, S, D) or None -> the state of a decoding of up to ``max_length`` tokens."""
        state = LayerState(self.self_attn.start(max_length))
        if self.cross_attn is not None and memory is not None:
            grid = SentenceGrid(np.arange(len(memory)))
            state.memory = KeptMemory(self.cross_attn.keys_values(memory)[0], grid)
        return state
