r"""The encoder-decoder Transformer of "Attention Is All You Need" (Vaswani et al., 2017).

Shapes      source (B, S), target (B, T) token ids    memory (B, S, D)    logits (B, T, V)

Forward     x      = dropout(embedding(source) * sqrt(D) + positions)      section 3.4 and 3.5
            memory = encoder(x)                                            section 3.1
            y      = dropout(embedding(target) * sqrt(D) + positions)
            y      = decoder(y, memory)
            logits = y @ embedding.weight.T                                section 3.4, tied

Backward    The same five lines from the last to the first. The embedding matrix is used three
            times and collects three gradients: as the output projection, by the target's ids
            and by the source's. The memory's gradient is the sum over the decoder's layers,
            and is the only road by which the loss reaches the encoder.

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.config import ModelConfig
from npformer.errors import ShapeError
from npformer.models.decoder_state import DecoderState
from npformer.nn import Decoder, Dropout, Embedding, Encoder, Linear
from npformer.nn.decoder import DecoderCache
from npformer.nn.encoder import EncoderCache
from npformer.nn.init import redraw_matrices
from npformer.nn.module import Array, Module
from npformer.ops.dropout import DropoutCache
from npformer.ops.embedding import EmbeddingCache
from npformer.ops.linear import LinearCache, linear_backward, linear_forward
from npformer.ops.masks import padding_mask
from npformer.ops.positions import sinusoidal_positions


class EmbedCache(NamedTuple):
    embedding: EmbeddingCache
    dropout: DropoutCache


class TransformerCache(NamedTuple):
    embed_source: EmbedCache
    encoder: EncoderCache
    embed_target: EmbedCache
    decoder: DecoderCache
    output: LinearCache


class Transformer(Module):
    """Source and target ids to the logits of each next target token.

    Source and target share one vocabulary and one embedding; the output projection is the same
    matrix unless ``config.tie_output`` is False. Padding stands on the right, so the causal mask
    alone hides a target's padding from its tokens.
    """

    def __init__(
        self, config: ModelConfig, *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        self.config = config
        self.embedding = Embedding(
            config.vocab_size, config.d_model, config.padding_id, rng=rng, dtype=dtype
        )
        self.dropout = Dropout(config.dropout)
        self.encoder = Encoder(config, rng=rng, dtype=dtype)
        self.decoder = Decoder(config, rng=rng, dtype=dtype)
        self.output_proj = (
            None
            if config.tie_output
            else Linear(config.d_model, config.vocab_size, bias=False, rng=rng, dtype=dtype)
        )
        if config.init_std is not None:
            redraw_matrices(self.parameters(), config.init_std, rng)
            self.embedding.weight.data[config.padding_id] = 0
        self._positions = sinusoidal_positions(config.max_length, config.d_model, dtype=dtype)

    def forward(
        self, source: Array, target: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, TransformerCache]:
        """source (B, S), target (B, T) ids -> logits (B, T, V), cache; ``rng`` draws dropout.

        Raises ShapeError for ids that are not (B, length) or are longer than
        ``config.max_length``, IndexError for an id outside the vocabulary.
        """
        x, embed_source = self._embed(source, rng)
        mask = padding_mask(source, self.config.padding_id)  # (B, 1, 1, S)
        memory, encoder = self.encoder.forward(x, mask, rng)
        y, embed_target = self._embed(target, rng)
        y, decoder = self.decoder.forward(y, memory, mask, rng)
        logits, output = self._project(y)
        return logits, TransformerCache(embed_source, encoder, embed_target, decoder, output)

    def backward(self, dlogits: Array, cache: TransformerCache) -> None:
        """dlogits (B, T, V) -> nothing: ids have no gradient, the parameters have it all."""
        dy = self._project_backward(dlogits, cache.output)
        dy, dmemory = self.decoder.backward(dy, cache.decoder)
        self._embed_backward(dy, cache.embed_target)
        dx = self.encoder.backward(dmemory, cache.encoder)
        self._embed_backward(dx, cache.embed_source)

    def start(self, source: Array) -> DecoderState:
        """source (B, S) ids -> the state from which ``step`` decodes, token by token."""
        x, _ = self._embed(source)
        mask = padding_mask(source, self.config.padding_id)
        memory, _ = self.encoder.forward(x, mask)
        return DecoderState(self.decoder.start(memory, self.config.max_length), mask)

    def step(self, ids: Array, state: DecoderState) -> Array:
        """The newest target ids (R,) -> logits (R, V) of the token that follows them.

        Raises ShapeError once ``config.max_length`` ids have been given.
        """
        y, _ = self._embed(ids[:, None], position=state.length)
        y = self.decoder.step(y, state.layers, state.memory_mask, state.grid)
        state.length += 1
        return self._project(y[:, 0])[0]

    def _embed(
        self, ids: Array, rng: np.random.Generator | None = None, position: int = 0
    ) -> tuple[Array, EmbedCache]:
        end = position + self._length(ids)
        if end > self.config.max_length:
            raise ShapeError(
                f"a sequence of {end} tokens; the model takes {self.config.max_length} at most"
            )
        x, embedding = self.embedding.forward(ids)  # (B, T, D)
        x = x * math.sqrt(self.config.d_model) + self._positions[position:end]
        x, dropout = self.dropout.forward(x, rng)
        return x, EmbedCache(embedding, dropout)

    def _embed_backward(self, dx: Array, cache: EmbedCache) -> None:
        dx = self.dropout.backward(dx, cache.dropout)
        self.embedding.backward(dx * math.sqrt(self.config.d_model), cache.embedding)

    def _project(self, y: Array) -> tuple[Array, LinearCache]:
        if self.output_proj is not None:
            return self.output_proj.forward(y)
        return linear_forward(y, self.embedding.weight.data)

    def _project_backward(self, dlogits: Array, cache: LinearCache) -> Array:
        if self.output_proj is not None:
            return self.output_proj.backward(dlogits, cache)
        dy, dweight, _ = linear_backward(dlogits, cache)
        self.embedding.weight.accumulate(dweight)
        return dy

    @staticmethod
    def _length(ids: Array) -> int:
        if ids.ndim != 2:
            raise ShapeError(f"token ids of shape {ids.shape}; they must be (batch, length)")
        return ids.shape[1]
