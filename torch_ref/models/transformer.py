"""The encoder-decoder Transformer of "Attention Is All You Need" (Vaswani et al., 2017)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from torch_ref.models.decoder_state import DecoderState
from torch_ref.models.decoding import inference
from torch_ref.models.model import Entrance, Model
from torch_ref.models.static_state import StaticState
from torch_ref.nn import Dropout, Embedding, Linear, Stack, make_norm
from torch_ref.nn.positions import make_positions
from torch_ref.nn.token_grid import PackedMask, TokenGrid
from torch_ref.ops.masks import padded_positions, padding_mask


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
        self.embedding_scale = math.sqrt(c.d_model) if c.scale_embedding else 1.0
        self.output_scale = 1 / math.sqrt(c.d_model) if c.scale_output else 1.0
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        frozen = None if c.padding_gradient else c.padding_id
        self.source_embedding = (
            None if c.share_embeddings else Embedding(c.source_size, c.d_model, frozen, **place)
        )
        tied_bias = c.output_bias and c.tie_output
        self.embedding = Embedding(c.vocab_size, c.d_model, frozen, output_bias=tied_bias, **place)
        table = (c.added_positions, c.max_length, c.d_model)
        self.source_positions = (
            None if c.share_positions else make_positions(*table, first=c.first_position, **place)
        )
        self.positions = make_positions(*table, first=c.first_position, **place)
        norm = (c.norm_type, c.d_model, c.layer_norm_eps)
        self.source_embedding_norm = make_norm(*norm, **place) if c.embedding_norm else None
        self.embedding_norm = make_norm(*norm, **place) if c.embedding_norm else None
        self.dropout = Dropout(c.dropout)

        def stack(layers: int, *, decoder: bool) -> Stack:
            settings = c.stack(layers, decoder=decoder)
            return Stack(layers, c.d_model, c.heads, c.d_ff, **settings, **place)

        self.encoder = stack(c.encoder_layers, decoder=False)
        self.decoder = stack(c.decoder_layers, decoder=True)
        self.output_proj = (
            None if c.tie_output else Linear(c.d_model, c.vocab_size, c.output_bias, **place)
        )
        self.redraw()

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        rng: np.random.Generator | None = None,
        *,
        grids: Mapping[str, TokenGrid] | None = None,
    ) -> Tensor:
        """source (B, S), target (B, T) ids -> logits (B, T, V).

        With the ``grids`` of both, of their tokens alone: logits (1, n, V).

        With a generator, every dropout mask is the one that the NumPy model draws from it; without,
        PyTorch draws them while ``training``. Raises ShapeError for ids that are not (B, length) or
        are longer than ``config.max_length``, IndexError (on the CPU) for an id outside the
        vocabulary.
        """
        return self._project(self.hidden(source, target, rng, grids=grids))

    def hidden(
        self,
        source: Tensor,
        target: Tensor,
        rng: np.random.Generator | None = None,
        *,
        grids: Mapping[str, TokenGrid] | None = None,
    ) -> Tensor:
        """What ``forward`` projects to the logits: the decoder's last states (B, T, D).

        With the ``grids`` of both they are of their n tokens alone (1, n, D).
        """
        if grids is not None:
            return self._scaled(self._packed(source, target, rng, **grids))
        x = self._embed(source, rng, self._places(source), stream="source")
        mask = padding_mask(source, self.config.padding_id)  # (B, 1, 1, S)
        memory = self.encoder(x, mask=mask, rng=rng)
        y = self.decoder(self._embed(target, rng), memory, memory_mask=mask, rng=rng)
        return self._scaled(y)

    def _packed(
        self,
        source: Tensor,
        target: Tensor,
        rng: np.random.Generator | None,
        of: TokenGrid,
        to: TokenGrid,
    ) -> Tensor:
        """The decoder's states (1, n, D) of what is in the grids ``of`` a source, ``to`` a target.

        Only attention knows of sentences, and all that tells places apart has those of the grids.
        """
        at = self._places(source)
        at = of.places if isinstance(at, int) else of.collect(at)
        x = self._embed(of.collect(source), rng, at, stream="source")
        mask = padding_mask(source, self.config.padding_id)  # (B, 1, 1, S)
        memory = self.encoder(x, mask=PackedMask(of, of, mask), rng=rng, at=of.places)
        return self.decoder(
            self._embed(to.collect(target), rng, to.places),
            memory,
            mask=PackedMask(to, to, None),
            memory_mask=PackedMask(to, of, mask),
            rng=rng,
            at=to.places,
        )

    def grids(self, inputs: Mapping[str, Tensor], counts: Tensor) -> Mapping[str, TokenGrid] | None:
        """Those of a target up to its last counted token, which sees nothing after it, and of what
        is not padding in a source; None also where nothing is left."""
        to = counts.flip(1).cumsum(1).flip(1) > 0
        of = inputs["source"] != self.config.padding_id
        if (to.all() and of.all()) or not (to.any() and of.any()):
            return None
        return {"to": TokenGrid(to), "of": TokenGrid(of)}

    def entrance(self, stream: str) -> Entrance:
        """The parts that embed the ids of an input."""
        if stream != "source":
            return super().entrance(stream)
        return Entrance(
            self.source_embedding or self.embedding,
            self.source_positions or self.positions,
            self.source_embedding_norm,
        )

    def _places(self, source: Tensor) -> int | Tensor:
        """Positions of a source's tokens in the table, where there is one, from its first on."""
        if source.ndim != 2 or not self.entrance("source").positions.adds:
            return 0
        return padded_positions(source, self.config.padding_id)

    @torch.inference_mode()
    def start(self, source: np.ndarray | Tensor) -> DecoderState | StaticState:
        """source (B, S) ids -> the state from which ``step`` decodes, token by token."""
        source = self._ids(source)
        with inference(self):
            x = self._embed(source, at=self._places(source), stream="source")
            mask = padding_mask(source, self.config.padding_id)
            memory = self.encoder(x, mask=mask)
            layers = self.decoder.start(self.config.max_length, memory)
            plain = self.positions.adds and self.config.window is None
            if self._pool is not None and plain:  # others' steps depend on how many there were
                return StaticState(self._pool, layers, mask, self.config.max_length)
            return DecoderState(layers, source.device, mask)
