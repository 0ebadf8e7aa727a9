"""One layer of a Transformer (Vaswani et al., 2017, section 3.1): an encoder's or a decoder's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from npformer.errors import ConfigError
from torch_ref.nn.convolved_streams import ConvolvedStreams
from torch_ref.nn.feed_forward import make_feed_forward
from torch_ref.nn.gated_delta_net import GatedDeltaNet
from torch_ref.nn.kimi_delta_attention import KimiDeltaAttention
from torch_ref.nn.latent_attention import LatentAttention
from torch_ref.nn.layer_scalar import LayerScalar
from torch_ref.nn.layer_state import KeptMemory, LayerState
from torch_ref.nn.mamba2 import Mamba2
from torch_ref.nn.mixture_of_experts import Auxiliary, MixtureOfExperts
from torch_ref.nn.multi_head_attention import MultiHeadAttention
from torch_ref.nn.per_layer_gate import PerLayerGate
from torch_ref.nn.residual import Residual
from torch_ref.nn.sentence_grid import SentenceGrid
from torch_ref.nn.stream_residual import StreamResidual
from torch_ref.nn.token_grid import PackedMask

KEEPING_A_STATE = {"delta": GatedDeltaNet, "kimi": KimiDeltaAttention, "state_space": Mamba2}
"""What may stand where self-attention does, by the name that its settings go under."""


class Layer(nn.Module):
    """Self-attention, cross-attention if ``cross_attention``, and the feed-forward network.

    In ``parallel`` both sub-layers are one branch. Raises ConfigError as its parts do, and for
    cross-attention in parallel.
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
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        place: dict[str, Any] = {"dtype": dtype, "device": device}

        def residual(placement: str) -> Any:
            if streams is not None:
                own: dict[str, Any] = {"norm_type": norm_type, "scale": residual_scale}
                return StreamResidual(d_model, dropout, **streams, eps=eps, **own, **place)
            more: dict[str, Any] = {"norm_type": norm_type, "scale": residual_scale}
            return Residual(d_model, dropout, placement, eps, **more, **place)

        def attends(**more: Any) -> MultiHeadAttention:
            sizes: dict[str, Any] = {"d_k": d_k, "d_v": d_v} | more
            return MultiHeadAttention(d_model, heads, **sizes, **place)

        if parallel and cross_attention:
            raise ConfigError("a layer in parallel has no cross-attention; give one of the two")
        self.causal = causal
        self.self_attn_residual = residual(norm if first_norm else "none")
        self.self_attn: Any
        keeps = next((name for name in KEEPING_A_STATE if name in (attention or ())), None)
        if attention is not None and keeps is not None:
            kind: Any = KEEPING_A_STATE[keeps]
            self.self_attn = kind(d_model, **attention[keeps], **place)
        elif attention is not None and "latent_size" in attention:
            assert d_k is not None and d_v is not None
            self.self_attn = LatentAttention(d_model, heads, d_k, d_v, **attention, **place)
        else:
            self.self_attn = attends(**(attention or {}))
        self.cross_attn_residual = residual(norm) if cross_attention else None
        self.cross_attn = attends(**(memory_attention or {})) if cross_attention else None
        self.feed_forward_residual = None if parallel else residual(norm)
        self.feed_forward: nn.Module
        if experts is None:
            self.feed_forward = make_feed_forward(d_model, d_ff, activation, bias=bias, **place)
        else:
            settings: dict[str, Any] = {"d_ff": d_ff, "activation": activation, "bias": bias}
            settings |= experts
            self.feed_forward = MixtureOfExperts(d_model, **settings, **place)
        self.per_layer_residual = None if per_layer is None else residual("branch")
        self.per_layer = None if per_layer is None else PerLayerGate(d_model, **per_layer, **place)
        self.layer_scalar: LayerScalar | None = None
        if layer_scalar is not None:
            self.layer_scalar = LayerScalar(**layer_scalar, **place)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | PackedMask | None = None,
        memory_mask: Tensor | PackedMask | None = None,
        rng: np.random.Generator | None = None,
        state: LayerState | None = None,
        at: int | Tensor | None = None,
        texts: Tensor | None = None,
        bias: Tensor | None = None,
        values: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> Any:
        """x (B, T, D), memory (B, S, D), masks to (B, N, T, T) and (B, N, T, S) -> (B, T, D).

        Or, where masks are ``PackedMask``, their tokens without padding, (1, n, D).

        With the ``state`` of a decoding, x are the positions after those that it keeps, and its
        memory is read in place of ``memory``. ``at`` are the positions of x's tokens, where they
        are others. With ``texts`` (B, T), the experts' ``Auxiliary`` comes after it.
        ``bias`` is added to the scores of self-attention. ``values`` (B, T, G * Hv) are the tokens'
        embeddings that it mixes into its values, ``rows`` (B, T, P) those of a layer with its own.
        """

        keeps_a_state = isinstance(self.self_attn, ConvolvedStreams)

        def attend(h: Tensor) -> Tensor:
            kept: Any = None if state is None else state.self_attn
            if keeps_a_state:
                return self.self_attn(h, at=at, kept=kept)
            given = {"bias": bias, "rows": values}
            more = {name: tensor for name, tensor in given.items() if tensor is not None}
            return self.self_attn(h, mask=mask, **more, causal=self.causal, at=at, kept=kept)

        def attend_memory(h: Tensor) -> Tensor:
            assert self.cross_attn is not None
            if state is None or state.memory is None:
                return self.cross_attn(h, memory, memory_mask)
            h = state.memory.grid.spread(h)
            h = self.cross_attn(h, state.memory.keys_values, memory_mask)
            return state.memory.grid.collect(h)

        auxiliary: list[Auxiliary] = []

        counted = texts is not None and isinstance(self.feed_forward, MixtureOfExperts)

        def feed(h: Tensor) -> Tensor:
            if not counted:
                return self.feed_forward(h)
            y, of_experts = self.feed_forward(h, texts)
            auxiliary.append(of_experts)
            return y

        if self.feed_forward_residual is None:
            x = self.self_attn_residual(x, lambda h: attend(h) + feed(h), rng)
        else:
            x = self.self_attn_residual(x, attend, rng)
            if self.cross_attn_residual is not None:
                x = self.cross_attn_residual(x, attend_memory, rng)
            x = self.feed_forward_residual(x, feed, rng)
        if self.per_layer_residual is not None and self.per_layer is not None:
            gate = self.per_layer
            x = self.per_layer_residual(x, lambda h: gate(h, rows), rng)
        if self.layer_scalar is not None:
            x = self.layer_scalar(x)
        return (x, auxiliary[0]) if counted else x

    def start(self, max_length: int, memory: Tensor | None = None) -> LayerState:
        """memory (B, S, D) or None -> the state of a decoding of up to ``max_length`` tokens."""
        state = LayerState(self.self_attn.start(max_length))
        if self.cross_attn is not None and memory is not None:
            grid = SentenceGrid(np.arange(len(memory)), len(memory), memory.device)
            state.memory = KeptMemory(self.cross_attn.keys_values(memory), grid)
        return state
