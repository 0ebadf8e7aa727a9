r"""The encoder-decoder Transformer of "Attention Is All You Need" (Vaswani et al., 2017).

Shapes      source (B, S), target (B, T) token ids    memory (B, S, D)    logits (B, T, V)

Forward     x      = dropout(embedding(source) * sqrt(D) + positions)      section 3.4 and 3.5
            memory = encoder(x)                                            section 3.1
            y      = dropout(embedding(target) * sqrt(D) + positions)
            y      = decoder(y, memory)
            logits = y @ embedding.weight.T                                section 3.4, tied

            The settings say which of the three matrices of tokens are one: all of them, as here;
            the target's and the output's; the source's and the target's; or none.

Backward    The same five lines from the last to the first. The embedding matrix is used three
            times and collects three gradients: as the output projection, by the target's ids
            and by the source's. The memory's gradient is the sum over the decoder's layers,
            and the only path by which the loss reaches the encoder.

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.fields import check
from npformer.models.decoder_state import DecoderState
from npformer.models.model import EmbedCache, Model
from npformer.models.stack_config import Activation, Placement, StackConfig
from npformer.nn import Dropout, Embedding, Linear, Stack
from npformer.nn.init import redraw_matrices
from npformer.nn.module import Array
from npformer.nn.positions import make_positions
from npformer.nn.stack import StackCache
from npformer.ops.linear import LinearCache
from npformer.ops.masks import padding_mask


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(StackConfig):
    """The shape of an encoder-decoder Transformer (Vaswani et al., 2017, Table 3)."""

    family: Literal["transformer"] = "transformer"
    vocab_size: int = 37_000
    d_model: int = 512
    max_length: int = 256
    padding_id: int = 0
    heads: int = 8
    d_ff: int = 2048
    norm: Placement = "post"
    activation: Activation = "relu"
    positions: Literal["sinusoidal", "sinusoidal_half", "learned"] = "sinusoidal"
    share_embeddings: bool = True
    """Use one embedding matrix for source and target; without it the source has one of its own."""
    source_vocab_size: int | None = None
    """Entries of the source's vocabulary, where its embedding is its own; vocab_size if None."""
    encoder_layers: int = 6
    """Layers of the encoder."""
    decoder_layers: int = 6
    """Layers of the decoder."""
    d_k: int | None = None
    """Size of one head's queries and keys; d_model / heads unless given."""
    d_v: int | None = None
    """Size of one head's values; d_model / heads unless given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("encoder_layers", 0), ("decoder_layers", 1)):
            depth = getattr(self, name)
            check(depth >= least, f"{name} is {depth}; it must be {least} or more")
        own, size = not self.share_embeddings, self.source_vocab_size
        check(
            size is None or own,
            f"source_vocab_size is {size}, and source and target share their embedding; leave it "
            "out, or give share_embeddings as False",
        )
        least = 1 if self.padding_id is None else self.padding_id + 1
        check(
            size is None or size >= least,
            f"source_vocab_size is {size}; it must be {least} or more",
        )
        for name in ("d_k", "d_v"):
            size = getattr(self, name)
            if size is None:
                check(
                    self.d_model % self.heads == 0,
                    f"heads is {self.heads}, which does not divide d_model, {self.d_model}; "
                    f"choose heads that do, or give d_k and d_v",
                )
            else:
                check(size >= 1, f"{name} is {size}; it must be 1 or more")

    @property
    def source_size(self) -> int:
        """Entries of the source's vocabulary."""
        return self.vocab_size if self.source_vocab_size is None else self.source_vocab_size

    @property
    def head_k(self) -> int:
        """Size of one head's queries and keys."""
        return self.d_model // self.heads if self.d_k is None else self.d_k

    @property
    def head_v(self) -> int:
        """Size of one head's values."""
        return self.d_model // self.heads if self.d_v is None else self.d_v


class TransformerCache(NamedTuple):
    embed_source: EmbedCache
    encoder: StackCache
    embed_target: EmbedCache
    decoder: StackCache
    output: LinearCache


class Transformer(Model):
    """Source and target ids to the logits of each next target token.

    Source and target share one vocabulary and one embedding unless ``config.share_embeddings`` is
    False; the output projection is the target's matrix unless ``config.tie_output`` is. Padding is
    on the right, so the causal mask alone hides a target's padding from its tokens.
    """

    Config = TransformerConfig
    streams: ClassVar = {"source": "encoder", "target": "decoder"}

    def __init__(
        self, config: TransformerConfig, *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        self.config = c = config
        self.embedding_scale = math.sqrt(c.d_model)

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
                rng=rng,
                dtype=dtype,
            )

        self.source_embedding = (
            None
            if c.share_embeddings
            else Embedding(c.source_size, c.d_model, c.padding_id, rng=rng, dtype=dtype)
        )
        self.embedding = Embedding(
            c.vocab_size,
            c.d_model,
            c.padding_id,
            output_bias=c.output_bias and c.tie_output,
            rng=rng,
            dtype=dtype,
        )
        self.positions = make_positions(c.positions, c.max_length, c.d_model, rng=rng, dtype=dtype)
        self.dropout = Dropout(c.dropout)
        self.encoder = stack(c.encoder_layers, causal=False, cross_attention=False)
        self.decoder = stack(c.decoder_layers, causal=True, cross_attention=True)
        self.output_proj = (
            None
            if c.tie_output
            else Linear(c.d_model, c.vocab_size, bias=c.output_bias, rng=rng, dtype=dtype)
        )
        if c.init_std is not None:
            redraw_matrices(self.parameters(), c.init_std, rng)
            for embedding in filter(None, (self.source_embedding, self.embedding)):
                embedding.clear_padding()

    def forward(
        self, source: Array, target: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, TransformerCache]:
        """source (B, S), target (B, T) ids -> logits (B, T, V), cache; ``rng`` draws dropout.

        Raises ShapeError for ids that are not (B, length) or are longer than
        ``config.max_length``, IndexError for an id outside the vocabulary.
        """
        x, embed_source = self._embed(source, rng, embedding=self.source_embedding)
        mask = padding_mask(source, self.config.padding_id)  # (B, 1, 1, S)
        memory, encoder = self.encoder.forward(x, mask=mask, rng=rng)
        y, embed_target = self._embed(target, rng)
        y, decoder = self.decoder.forward(y, memory, memory_mask=mask, rng=rng)
        logits, output = self._project(y)
        return logits, TransformerCache(embed_source, encoder, embed_target, decoder, output)

    def backward(self, dlogits: Array, cache: TransformerCache) -> None:
        """dlogits (B, T, V) -> nothing: ids have no gradient, the parameters have it all."""
        dy = self._project_backward(dlogits, cache.output)
        dy, dmemory = self.decoder.backward(dy, cache.decoder)
        self._embed_backward(dy, cache.embed_target)
        dx = self.encoder.backward(dmemory, cache.encoder)
        self._embed_backward(dx, cache.embed_source, self.source_embedding)

    def start(self, source: Array) -> DecoderState:
        """source (B, S) ids -> the state from which ``step`` decodes, token by token."""
        x, _ = self._embed(source, embedding=self.source_embedding)
        mask = padding_mask(source, self.config.padding_id)
        memory, _ = self.encoder.forward(x, mask=mask)
        states = self.decoder.start(self.config.max_length, memory)
        return DecoderState(states, mask)

    def step(self, ids: Array, state: DecoderState) -> Array:
        """The newest target ids (R,) -> logits (R, V) of the token that follows them.

        Raises ShapeError once ``config.max_length`` ids have been given.
        """
        y, _ = self._embed(ids[:, None], at=state.length)
        y, _ = self.decoder.forward(y, memory_mask=state.memory_mask, states=state.layers)
        state.length += 1
        return self._project(y[:, 0])[0]
