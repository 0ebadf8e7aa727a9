"""The encoder-decoder Transformer of "Attention Is All You Need" (Vaswani et al., 2017)."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from torch_ref.models.decoder_state import DecoderState
from torch_ref.models.decoding import inference
from torch_ref.models.model import Model
from torch_ref.models.static_state import StaticState
from torch_ref.nn import Dropout, Embedding, Linear, Stack
from torch_ref.nn.positions import make_positions
from torch_ref.ops.masks import padding_mask


class Transformer(Model):
    """Source and target ids to the logits of each next target token.

    Source and target share one vocabulary and one embedding unless ``config.share_embeddings`` is
    False; the output projection is the target's matrix unless ``config.tie_output`` is.
    """

    family = "transformer"
    streams: ClassVar = {"source": "encoder", "target": "decoder"}

    def __init__(
        self,
        config: Any,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        c = self.config = config
        self.embedding_scale = math.sqrt(c.d_model)
        place: dict[str, Any] = {"dtype": dtype, "device": device}

        def stack(layers: int, *, causal: bool, cross_attention: bool) -> Stack:
            return Stack(
                layers,
                c.d_model,
                c.heads,
                c.d_ff,
                causal=causal,
                cross_attention=cross_attention,
                d_k=c.d_k,
                d_v=c.d_v,
                dropout=c.dropout,
                norm=c.norm,
                norm_type=c.norm_type,
                activation=c.activation,
                eps=c.layer_norm_eps,
                **place,
            )

        self.source_embedding = (
            None
            if c.share_embeddings
            else Embedding(c.source_size, c.d_model, c.padding_id, **place)
        )
        tied_bias = c.output_bias and c.tie_output
        self.embedding = Embedding(
            c.vocab_size, c.d_model, c.padding_id, output_bias=tied_bias, **place
        )
        self.positions = make_positions(c.positions, c.max_length, c.d_model, **place)
        self.dropout = Dropout(c.dropout)
        self.encoder = stack(c.encoder_layers, causal=False, cross_attention=False)
        self.decoder = stack(c.decoder_layers, causal=True, cross_attention=True)
        self.output_proj = (
            None if c.tie_output else Linear(c.d_model, c.vocab_size, c.output_bias, **place)
        )
        self.redraw()

    def forward(
        self, source: Tensor, target: Tensor, rng: np.random.Generator | None = None
    ) -> Tensor:
        """source (B, S), target (B, T) ids -> logits (B, T, V).

        With a generator, every dropout mask is the one that the NumPy model draws from it; without,
        PyTorch draws them while ``training``. Raises ShapeError for ids that are not (B, length) or
        are longer than ``config.max_length``, IndexError (on the CPU) for an id outside the
        vocabulary.
        """
        return self._project(self.hidden(source, target, rng))

    def hidden(
        self, source: Tensor, target: Tensor, rng: np.random.Generator | None = None
    ) -> Tensor:
        """What ``forward`` projects to the logits: the decoder's last states (B, T, D)."""
        x = self._embed(source, rng, embedding=self.source_embedding)
        mask = padding_mask(source, self.config.padding_id)  # (B, 1, 1, S)
        memory = self.encoder(x, mask=mask, rng=rng)
        return self.decoder(self._embed(target, rng), memory, memory_mask=mask, rng=rng)

    @torch.inference_mode()
    def start(self, source: np.ndarray | Tensor) -> DecoderState | StaticState:
        """source (B, S) ids -> the state from which ``step`` decodes, token by token."""
        source = self._ids(source)
        with inference(self):
            x = self._embed(source, embedding=self.source_embedding)
            mask = padding_mask(source, self.config.padding_id)
            memory = self.encoder(x, mask=mask)
            layers = self.decoder.start(self.config.max_length, memory)
            if self._pool is not None:
                return StaticState(self._pool, layers, mask, self.config.max_length)
            return DecoderState(layers, source.device, mask)
