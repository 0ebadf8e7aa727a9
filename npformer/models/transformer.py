r"""The encoder-decoder Transformer of "Attention Is All You Need" (Vaswani et al., 2017).

Shapes      source (B, S), target (B, T) token ids    memory (B, S, D)    logits (B, T, V)

Forward     x      = dropout(embedding(source) * sqrt(D) + positions)      section 3.4 and 3.5
            memory = encoder(x)                                            section 3.1
            y      = dropout(embedding(target) * sqrt(D) + positions)
            y      = decoder(y, memory)
            logits = y @ embedding.weight.T                                section 3.4, tied

            Settings make it those that came after: norms before each branch and of the embeddings,
            gates, no biases, a bias of the scores that all layers share, logits times 1 / sqrt(D)
            (T5, BART, Marian, M2M-100).

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
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.fields import check
from npformer.models.attention_config import BIASING, AttentionConfig
from npformer.models.decoder_state import DecoderState
from npformer.models.model import EmbedCache, Entrance, Model, check_ids
from npformer.models.stack_config import Activation, Placement, PositionKind
from npformer.nn import Dropout, Embedding, LayerNorm, Linear, RMSNorm, Stack, make_norm
from npformer.nn.init import redraw_matrices
from npformer.nn.module import Array
from npformer.nn.positions import Positions, make_positions
from npformer.nn.stack import StackCache
from npformer.nn.token_grid import PackedMask, TokenGrid
from npformer.ops.linear import LinearCache
from npformer.ops.masks import padded_positions, padding_mask

TABLES = ("sinusoidal", "sinusoidal_half", "sinusoidal_tensor2tensor")
"""Positions of sines and cosines that are added."""


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(AttentionConfig):
    """The shape of an encoder-decoder Transformer (Vaswani et al., 2017, Table 3).

    The settings of attention are those of all of it, but for positions and windows, which
    cross-attention has not.
    """

    family: Literal["transformer"] = "transformer"
    vocab_size: int = 37_000
    d_model: int = 512
    max_length: int = 256
    padding_id: int = 0
    heads: int = 8
    d_ff: int = 2048
    norm: Placement = "post"
    activation: Activation = "relu"
    positions: PositionKind = "sinusoidal"
    """Added to the embeddings; turning queries and keys; a bias of the scores, for t5 one that all
    layers of a stack share; or none."""
    share_positions: bool = True
    """Use one table of learned positions for source and target."""
    first_position: int = 0
    """Position of a text's first token in a table of sines and cosines."""
    scale_embedding: bool = True
    """Multiply embeddings by sqrt(d_model) where they are read."""
    embedding_norm: bool = False
    """A norm of the sum of embeddings and positions, one for the source and one for the target."""
    last_norm: bool | None = None
    """A norm after each stack; unless given, there is one but in post-norm."""
    scale_output: bool = False
    """Multiply the last states by 1 / sqrt(d_model) before the output projection, as T5 does."""
    padding_gradient: bool = False
    """Whether padding's row of the embedding is learned, as where targets begin with it (T5)."""
    share_embeddings: bool = True
    """Use one embedding matrix for source and target; without it the source has one of its own."""
    source_vocab_size: int | None = None
    """Entries of the source's vocabulary, where its embedding is its own; vocab_size if None."""
    encoder_layers: int = 6
    """Layers of the encoder."""
    decoder_layers: int = 6
    """Layers of the decoder."""
    d_k: int | None = None
    """Size of one head's queries and keys; head_size, or d_model / heads, unless given."""
    d_v: int | None = None
    """Size of one head's values; head_size, or d_model / heads, unless given."""

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
        check(
            self.first_position >= 0 and (self.first_position == 0 or self.positions in TABLES),
            f"first_position is {self.first_position}; it must be 0 or more, and goes with "
            f"positions {', '.join(TABLES)}",
        )
        check(
            self.share_positions or self.positions == "learned",
            f"share_positions is for learned positions, and positions is {self.positions!r}",
        )

    def _check_heads(self) -> None:
        for name in ("d_k", "d_v"):
            size = getattr(self, name)
            check(size is None or size >= 1, f"{name} is {size}; it must be 1 or more")
            check(
                size is not None or self.head_size is not None or self.d_model % self.heads == 0,
                f"heads is {self.heads}, which does not divide d_model, {self.d_model}; "
                f"choose heads that do, or give d_k and d_v",
            )

    @property
    def source_size(self) -> int:
        """Entries of the source's vocabulary."""
        return self.vocab_size if self.source_vocab_size is None else self.source_vocab_size

    @property
    def size_of_head(self) -> int:
        """Size of one head's queries and keys, of which columns turn."""
        return super().size_of_head if self.d_k is None else self.d_k

    @property
    def head_k(self) -> int:
        """Size of one head's queries and keys."""
        return self.size_of_head

    @property
    def head_v(self) -> int:
        """Size of one head's values."""
        return super().size_of_head if self.d_v is None else self.d_v

    def stack(self, layers: int, *, decoder: bool) -> dict[str, Any]:
        """The settings of a ``Stack`` of so many layers."""
        shared = {"name": self.positions, "max_length": self.max_length}
        memory = {**self.attention(0), "positions": None, "window": None}
        return {
            **self.stack_settings(layers),
            "causal": decoder,
            "cross_attention": decoder,
            "d_k": self.head_k,
            "d_v": self.head_v,
            "memory_attention": memory,
            "positions": (
                {**shared, **self.bias(bidirectional=not decoder)}
                if self.positions in BIASING
                else None
            ),
            "last_norm": self.last_norm,
        }

    def _positions(self, layer: int, local: bool) -> dict[str, Any] | None:
        return None if self.positions in BIASING else super()._positions(layer, local)


class Side(NamedTuple):
    """What one of the two stacks reads."""

    ids: Array  # (B, T), or without padding (1, n)
    positions: int | Array  # those that are added, of the same shape
    at: Array | None  # and those that attention knows; None of whole rows, which it can count
    mask: Array | PackedMask | None  # of self-attention


class TransformerCache(NamedTuple):
    embed_source: EmbedCache
    encoder: StackCache
    embed_target: EmbedCache
    decoder: StackCache
    output: LinearCache


class Transformer(Model):
    """Source and target ids to the logits of each next target token.

    Source and target share one vocabulary and one embedding unless ``config.share_embeddings`` is
    False; the output projection is the target's matrix unless ``config.tie_output`` is. Padding of
    a target is on the right, so that the causal mask alone hides it from the tokens. That of a
    source may be on the left too: a source is what it is alone.
    """

    Config = TransformerConfig
    streams: ClassVar = {"source": "encoder", "target": "decoder"}

    def __init__(
        self, config: TransformerConfig, *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        self.config = c = config
        self.embedding_scale = math.sqrt(c.d_model) if c.scale_embedding else 1.0
        self.output_scale = 1 / math.sqrt(c.d_model) if c.scale_output else 1.0
        frozen = None if c.padding_gradient else c.padding_id
        self.source_embedding = (
            None
            if c.share_embeddings
            else Embedding(c.source_size, c.d_model, frozen, rng=rng, dtype=dtype)
        )
        self.embedding = Embedding(
            c.vocab_size,
            c.d_model,
            frozen,
            output_bias=c.output_bias and c.tie_output,
            rng=rng,
            dtype=dtype,
        )

        def positions() -> Positions:
            return make_positions(
                c.added_positions,
                c.max_length,
                c.d_model,
                first=c.first_position,
                rng=rng,
                dtype=dtype,
            )

        def norm() -> LayerNorm | RMSNorm | None:
            if not c.embedding_norm:
                return None
            return make_norm(c.norm_type, c.d_model, c.layer_norm_eps, dtype=dtype)

        def stack(layers: int, *, decoder: bool) -> Stack:
            settings = c.stack(layers, decoder=decoder)
            return Stack(layers, c.d_model, c.heads, c.d_ff, **settings, rng=rng, dtype=dtype)

        self.source_positions = None if c.share_positions else positions()
        self.positions = positions()
        self.source_embedding_norm, self.embedding_norm = norm(), norm()
        self.dropout = Dropout(c.dropout)
        self.encoder = stack(c.encoder_layers, decoder=False)
        self.decoder = stack(c.decoder_layers, decoder=True)
        self.output_proj = (
            None
            if c.tie_output
            else Linear(c.d_model, c.vocab_size, bias=c.output_bias, rng=rng, dtype=dtype)
        )
        if c.init_std is not None:
            redraw_matrices(self.named_parameters(), c.init_std, rng)
            for embedding in filter(None, (self.source_embedding, self.embedding)):
                embedding.clear_padding()

    def forward(
        self,
        source: Array,
        target: Array,
        rng: np.random.Generator | None = None,
        *,
        grids: Mapping[str, TokenGrid] | None = None,
    ) -> tuple[Array, TransformerCache]:
        """source (B, S), target (B, T) ids -> logits (B, T, V), cache; ``rng`` draws dropout.

        With the ``grids`` of both, everything is of their tokens alone: logits (1, n, V).
        Raises ShapeError for ids that are not (B, length) or are longer than
        ``config.max_length``, IndexError for an id outside the vocabulary.
        """
        of, to, memory_mask = self._sides(source, target, **(grids or {}))
        x, embed_source = self._embed(of.ids, rng, of.positions, stream="source")
        memory, encoder = self.encoder.forward(x, mask=of.mask, rng=rng, at=of.at)
        y, embed_target = self._embed(to.ids, rng, to.positions)
        y, decoder = self.decoder.forward(y, memory, to.mask, memory_mask, rng, at=to.at)
        logits, output = self._finish(self._scaled(y))
        return logits, TransformerCache(embed_source, encoder, embed_target, decoder, output)

    def _sides(
        self, source: Array, target: Array, of: TokenGrid | None = None, to: TokenGrid | None = None
    ) -> tuple[Side, Side, Array | PackedMask]:
        """The source's and the target's, whole or what their grids show, and the memory's mask."""
        check_ids(source)
        check_ids(target)
        mask = padding_mask(source, self.config.padding_id)  # (B, 1, 1, S)
        positions = self._places(source)
        if of is None or to is None:
            return Side(source, positions, None, mask), Side(target, 0, None, None), mask
        positions = of.places if isinstance(positions, int) else of.collect(positions)
        read = Side(of.collect(source), positions, of.places, PackedMask(of, of, mask))
        written = Side(to.collect(target), to.places, to.places, PackedMask(to, to, None))
        return read, written, PackedMask(to, of, mask)

    def grids(self, inputs: Mapping[str, Array], counts: Array) -> Mapping[str, TokenGrid] | None:
        """Those of a target up to its last counted token, which sees nothing after it, and of what
        is not padding in a source; None also where nothing is left."""
        to = np.logical_or.accumulate(counts[:, ::-1], axis=1)[:, ::-1]
        of = inputs["source"] != self.config.padding_id
        if (to.all() and of.all()) or not (to.any() and of.any()):
            return None
        return {"to": TokenGrid(to), "of": TokenGrid(of)}

    def backward(self, dlogits: Array, cache: TransformerCache) -> None:
        """dlogits (B, T, V) -> nothing: ids have no gradient, the parameters have it all."""
        dy = self._scaled(self._begin_back(dlogits, cache.output))
        dy, dmemory = self.decoder.backward(dy, cache.decoder)
        self._embed_backward(dy, cache.embed_target)
        dx = self.encoder.backward(dmemory, cache.encoder)
        self._embed_backward(dx, cache.embed_source, "source")

    def entrance(self, stream: str) -> Entrance:
        """The parts that embed the ids of an input."""
        if stream != "source":
            return super().entrance(stream)
        return Entrance(
            self.source_embedding or self.embedding,
            self.source_positions or self.positions,
            self.source_embedding_norm,
        )

    def start(self, source: Array) -> DecoderState:
        """source (B, S) ids -> the state from which ``step`` decodes, token by token."""
        check_ids(source)
        x, _ = self._embed(source, at=self._places(source), stream="source")
        mask = padding_mask(source, self.config.padding_id)
        memory, _ = self.encoder.forward(x, mask=mask)
        states = self.decoder.start(self.config.max_length, memory)
        return DecoderState(states, mask)

    def _places(self, source: Array) -> int | Array:
        """Positions of a source's tokens in the table, where there is one; from its first one on.

        Kinds that turn heads or bias scores know nothing but distances.
        """
        if not self.entrance("source").positions.adds:
            return 0
        return padded_positions(source, self.config.padding_id)

    def step(self, ids: Array, state: DecoderState) -> Array:
        """The newest target ids (R,) -> logits (R, V) of the token that follows them.

        Raises ShapeError once ``config.max_length`` ids have been given.
        """
        y, _ = self._embed(ids[:, None], at=state.length)
        y, _ = self.decoder.forward(y, memory_mask=state.memory_mask, states=state.layers)
        state.length += 1
        return self._project(self._scaled(y[:, 0]))[0]
