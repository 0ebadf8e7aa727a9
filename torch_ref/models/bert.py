"""An encoder-only Transformer, as BERT is one (Devlin et al., 2019), and what came after it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from npformer.errors import ConfigError
from npformer.seam import method
from torch_ref.models.decoding import inference
from torch_ref.models.model import Model
from torch_ref.nn import Activation, Dropout, Embedding, Linear, Pooling, Stack, make_norm
from torch_ref.nn.positions import make_positions
from torch_ref.ops.masks import padded_positions, padding_mask


class BERT(Model):
    """Token ids to the logits of the token at each place, or to one vector for each text."""

    family = "bert"
    streams: ClassVar = {"target": "encoder"}

    def __init__(
        self,
        config: Any,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        c = self.config = config
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        tied_bias = c.masked_head and c.output_bias and c.tie_output
        self.embedding = Embedding(
            c.vocab_size, c.d_model, c.padding_id, output_bias=tied_bias, **place
        )
        self.type_embedding = (
            Embedding(c.token_types, c.d_model, **place) if c.token_types else None
        )
        self.positions = make_positions(c.added_positions, c.max_length, c.d_model, **place)
        norm = (c.norm_type, c.d_model, c.layer_norm_eps)
        self.embedding_norm = make_norm(*norm, **place) if c.embedding_norm else None
        self.dropout = Dropout(c.dropout)
        self.encoder = Stack(
            c.layers,
            c.d_model,
            c.heads,
            c.d_ff,
            **c.stack_settings(c.layers),
            first_norm=c.first_norm,
            **place,
        )
        self.pooling = Pooling(c.d_model, c.pooling, c.unit_vectors, **place)
        self.head_dense = self.head_activation = self.head_norm = None
        self.output_proj = None
        if c.masked_head:
            self.head_dense = Linear(c.d_model, c.d_model, c.head_bias, **place)
            self.head_activation = Activation(c.head_activation)
            self.head_norm = make_norm(*norm, **place)
            if not c.tie_output:
                self.output_proj = Linear(c.d_model, c.vocab_size, c.output_bias, **place)
        self.redraw()

    def forward(
        self,
        target: Tensor,
        rng: np.random.Generator | None = None,
        *,
        types: Tensor | None = None,
    ) -> Tensor:
        """target (B, T) ids, types (B, T) -> logits (B, T, V); ``rng`` draws dropout.

        Raises what the NumPy model's forward raises.
        """
        return self._project(self.hidden(target, rng, types=types))

    def hidden(
        self,
        target: Tensor,
        rng: np.random.Generator | None = None,
        *,
        types: Tensor | None = None,
    ) -> Tensor:
        """What ``forward`` projects to the logits: the head's states (B, T, D).

        Raises ConfigError for a model without a head.
        """
        if self.head_dense is None or self.head_activation is None or self.head_norm is None:
            raise ConfigError("this model has no head that predicts tokens (masked_head is off)")
        h = self.head_activation(self.head_dense(self._states(target, rng, types)))
        return self.head_norm(h)

    @method
    def encode(
        self,
        target: Tensor,
        rng: np.random.Generator | None = None,
        *,
        types: Tensor | None = None,
    ) -> Tensor:
        """target (B, T) ids, types (B, T) -> vectors (B, D)."""
        states = self._states(target, rng, types)
        return self.pooling(states, target != self.config.padding_id)

    @torch.inference_mode()
    def predictions(self, target: np.ndarray) -> np.ndarray:
        """target (B, T) ids -> logits (B, T, V), in NumPy, without dropout."""
        with inference(self):
            return self(self._ids(target)).float().cpu().numpy()

    @torch.inference_mode()
    def vectors(self, target: np.ndarray) -> np.ndarray:
        """target (B, T) ids -> vectors (B, D), in NumPy, without dropout."""
        with inference(self):
            return self.encode(self._ids(target)).float().cpu().numpy()

    @method
    def _states(
        self, target: Tensor, rng: np.random.Generator | None, types: Tensor | None
    ) -> Tensor:
        x = self._embed_types(target, rng, types)
        mask = padding_mask(target, self.config.padding_id)  # (B, 1, 1, T)
        return self.encoder(x, mask=mask, rng=rng, at=self._places(target))

    @method
    def _embed_types(
        self, target: Tensor, rng: np.random.Generator | None, types: Tensor | None
    ) -> Tensor:
        beside = None
        if self.type_embedding is not None:
            beside = self.type_embedding(torch.zeros_like(target) if types is None else types)
        elif types is not None:
            raise ConfigError("types are given, and the model tells none apart (token_types is 0)")
        return self._embed(target, rng, self._places(target), beside=beside)

    def _places(self, target: Tensor) -> int | Tensor:
        """Positions of the tokens, from a text's first one on; of padding before it 0."""
        return padded_positions(target, self.config.padding_id) if target.ndim == 2 else 0
