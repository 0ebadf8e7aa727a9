r"""An encoder-only Transformer, as BERT is one (Devlin et al., 2019), and what came after it.

Shapes      target (B, T) token ids    types (B, T) token types    states (B, T, D)
            logits (B, T, V)    vectors (B, D)

Forward     x       = dropout(norm(embedding(target) + type_embedding(types) + positions))
            states  = encoder(x)                            no token is hidden but padding
            logits  = norm(gelu(dense(states))) @ embedding.weight.T + bias
            vectors = pooling(states)                       one for a text, at length 1

            Logits are those of a token at its own place, which is hidden in training (masked
            language modelling). The settings change each of these lines: no types, no norm of the
            sum, positions that turn queries and keys, layers that look through a window to both
            sides (ModernBERT).

            Padding may be on either side: positions begin with 0 at a text's first token.

Backward    The same lines from the last to the first, of logits or of vectors. The embedding matrix
            collects two gradients, as the output projection and by the ids; a type's row the sum
            over its tokens.

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.fields import check
from npformer.models.attention_config import BIASING, AttentionConfig
from npformer.models.model import EmbedCache, Model
from npformer.models.stack_config import Activation, Placement, PositionKind
from npformer.nn import Dropout, Embedding, Linear, Pooling, Stack, make_norm
from npformer.nn.activation import Activation as ActivationModule
from npformer.nn.init import redraw_matrices
from npformer.nn.module import Array
from npformer.nn.pooling import PoolingCache
from npformer.nn.positions import make_positions
from npformer.nn.stack import StackCache
from npformer.ops.embedding import EmbeddingCache
from npformer.ops.linear import LinearCache
from npformer.ops.masks import padded_positions, padding_mask


@dataclass(frozen=True, kw_only=True)
class BERTConfig(AttentionConfig):
    """The shape of an encoder-only Transformer; the defaults are those of BERT's base model."""

    family: Literal["bert"] = "bert"
    vocab_size: int = 30_522
    d_model: int = 768
    max_length: int = 512
    heads: int = 12
    d_ff: int = 3072
    norm: Placement = "post"
    activation: Activation = "gelu"
    layer_norm_eps: float = 1e-12
    positions: PositionKind = "learned"
    """Added to the embedding; turning queries and keys; a bias of the scores, for t5 one that each
    layer learns; or none."""
    init_std: float | None = 0.02
    output_bias: bool = True
    layers: int = 12
    """Layers of the stack."""
    token_types: int = 2
    """Kinds of tokens that are told apart, such as the first of two sentences and the second; 0 is
    none."""
    embedding_norm: bool = True
    """A norm of the sum of the embeddings."""
    first_norm: bool = True
    """Whether pre-norm's first attention has a norm; ModernBERT's has that of the embedding."""
    masked_head: bool = True
    """What predicts tokens: a dense layer, its activation, a norm, and the output projection."""
    head_activation: Literal["relu", "gelu", "gelu_tanh", "silu", "relu_squared"] = "gelu"
    """Non-linearity of the head."""
    head_bias: bool = True
    """Whether the head's dense layer has a bias."""
    pooling: Literal["mean", "cls", "pooler"] = "mean"
    """A text's vector: the mean of its tokens, its first one, or that through a layer with tanh."""
    unit_vectors: bool = True
    """Vectors of texts have length 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.padding_id is not None, "padding_id is not given; texts are padded by one")
        check(self.layers >= 1, f"layers is {self.layers}; it must be 1 or more")
        check(self.token_types >= 0, f"token_types is {self.token_types}; it must be 0 or more")
        check(
            self.first_norm or (self.norm == "pre" and self.embedding_norm),
            "first_norm is off, and the first attention reads a stream that nothing has normed; "
            "it goes with norm pre and embedding_norm",
        )
        if not self.masked_head:
            own = {f.name: f.default for f in dataclasses.fields(self)}
            names = ("tie_output", "head_activation", "head_bias", "output_bias")
            changed = [name for name in names if getattr(self, name) != own[name]]
            check(not changed, f"{', '.join(changed)} is the head's, and masked_head is off")

    def _positions(self, layer: int, local: bool) -> dict[str, Any] | None:
        settings = super()._positions(layer, local)
        if self.positions in BIASING and settings is not None:
            settings |= self.bias(bidirectional=True)
        return settings


class BERTEmbedCache(NamedTuple):
    embed: EmbedCache
    types: EmbeddingCache | None


class StatesCache(NamedTuple):
    embed: BERTEmbedCache
    encoder: StackCache


class BERTCache(NamedTuple):
    states: StatesCache
    dense: LinearCache
    activation: Any  # the cache of the activation's op
    norm: Any  # of the norm's op
    output: LinearCache


class EncodeCache(NamedTuple):
    states: StatesCache
    pooling: PoolingCache


class BERT(Model):
    """Token ids to the logits of the token at each place, or to one vector for each text."""

    Config = BERTConfig
    streams: ClassVar = {"target": "encoder"}
    decodes: ClassVar[bool] = False

    def __init__(
        self, config: BERTConfig, *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        self.config = c = config
        self.embedding = Embedding(
            c.vocab_size,
            c.d_model,
            c.padding_id,
            output_bias=c.masked_head and c.output_bias and c.tie_output,
            rng=rng,
            dtype=dtype,
        )
        self.type_embedding = (
            Embedding(c.token_types, c.d_model, rng=rng, dtype=dtype) if c.token_types else None
        )
        self.positions = make_positions(
            c.added_positions, c.max_length, c.d_model, rng=rng, dtype=dtype
        )
        self.embedding_norm = (
            make_norm(c.norm_type, c.d_model, c.layer_norm_eps, dtype=dtype)
            if c.embedding_norm
            else None
        )
        self.dropout = Dropout(c.dropout)
        self.encoder = Stack(
            c.layers,
            c.d_model,
            c.heads,
            c.d_ff,
            **c.stack_settings(c.layers),
            first_norm=c.first_norm,
            rng=rng,
            dtype=dtype,
        )
        self.pooling = Pooling(c.d_model, c.pooling, c.unit_vectors, rng=rng, dtype=dtype)
        self.head_dense = self.head_activation = self.head_norm = None
        self.output_proj = None
        if c.masked_head:
            self.head_dense = Linear(c.d_model, c.d_model, c.head_bias, rng=rng, dtype=dtype)
            self.head_activation = ActivationModule(c.head_activation)
            self.head_norm = make_norm(c.norm_type, c.d_model, c.layer_norm_eps, dtype=dtype)
            if not c.tie_output:
                self.output_proj = Linear(
                    c.d_model, c.vocab_size, c.output_bias, rng=rng, dtype=dtype
                )
        if c.init_std is not None:
            redraw_matrices(self.named_parameters(), c.init_std, rng)
            self.embedding.clear_padding()

    def forward(
        self,
        target: Array,
        rng: np.random.Generator | None = None,
        *,
        types: Array | None = None,
    ) -> tuple[Array, BERTCache]:
        """target (B, T) ids, types (B, T) -> logits (B, T, V), cache; ``rng`` draws dropout.

        Types are 0 unless given. Raises ShapeError for ids that are not (B, length) or have a text
        longer than ``config.max_length``, IndexError for an id or a type that there is none of,
        ConfigError for a model without a head.
        """
        if self.head_dense is None or self.head_activation is None or self.head_norm is None:
            raise ConfigError(
                "this model has no head that predicts tokens (masked_head is off); it gives "
                "vectors of texts: use encode, or npformer embed"
            )
        states, cache = self._states(target, rng, types)
        h, dense = self.head_dense.forward(states)
        h, activation = self.head_activation.forward(h)
        h, norm = self.head_norm.forward(h)
        logits, output = self._finish(h)
        return logits, BERTCache(cache, dense, activation, norm, output)

    def backward(self, dlogits: Array, cache: BERTCache) -> None:
        """dlogits (B, T, V) -> nothing: ids have no gradient, the parameters have it all."""
        assert self.head_dense and self.head_activation and self.head_norm
        dh = self._begin_back(dlogits, cache.output)
        dh = self.head_norm.backward(dh, cache.norm)
        dh = self.head_activation.backward(dh, cache.activation)
        dstates = self.head_dense.backward(dh, cache.dense)
        self._states_backward(dstates, cache.states)

    def encode(
        self,
        target: Array,
        rng: np.random.Generator | None = None,
        *,
        types: Array | None = None,
    ) -> tuple[Array, EncodeCache]:
        """target (B, T) ids, types (B, T) -> vectors (B, D), cache.

        Raises ShapeError and IndexError as ``forward``.
        """
        states, cache = self._states(target, rng, types)
        vectors, pooling = self.pooling.forward(states, target != self.config.padding_id)
        return vectors, EncodeCache(cache, pooling)

    def encode_backward(self, dvectors: Array, cache: EncodeCache) -> None:
        """dvectors (B, D) -> nothing: the parameters have it all, but for those of the head."""
        dstates = self.pooling.backward(dvectors, cache.pooling)
        self._states_backward(dstates, cache.states)

    def states(
        self,
        target: Array,
        rng: np.random.Generator | None = None,
        *,
        types: Array | None = None,
    ) -> tuple[Array, StatesCache]:
        """target (B, T) ids, types (B, T) -> the encoder's last states (B, T, D), cache.

        What ``compare`` asks of a model without a head. Raises ShapeError and IndexError as
        ``forward``.
        """
        return self._states(target, rng, types)

    def states_backward(self, dstates: Array, cache: StatesCache) -> None:
        """dstates (B, T, D) -> nothing: the parameters have it all, but for those of the head."""
        self._states_backward(dstates, cache)

    def predictions(self, target: Array) -> Array:
        """target (B, T) ids -> logits (B, T, V), without what a backward needs; as ``forward``."""
        return self.forward(target)[0]

    def vectors(self, target: Array) -> Array:
        """target (B, T) ids -> vectors (B, D), without what a backward needs; as ``encode``."""
        return self.encode(target)[0]

    def _states(
        self, target: Array, rng: np.random.Generator | None, types: Array | None
    ) -> tuple[Array, StatesCache]:
        """target (B, T) ids -> the encoder's last states (B, T, D), cache."""
        x, embed = self._embed_types(target, rng, types)
        mask = padding_mask(target, self.config.padding_id)  # (B, 1, 1, T)
        y, encoder = self.encoder.forward(x, mask=mask, rng=rng, at=self._places(target))
        return y, StatesCache(embed, encoder)

    def _states_backward(self, dy: Array, cache: StatesCache) -> None:
        dx = self.encoder.backward(dy, cache.encoder)
        dx = self._embed_backward(dx, cache.embed.embed)
        if self.type_embedding is not None and cache.embed.types is not None:
            self.type_embedding.backward(dx, cache.embed.types)

    def _embed_types(
        self, target: Array, rng: np.random.Generator | None, types: Array | None
    ) -> tuple[Array, BERTEmbedCache]:
        """The sum of embeddings, types and positions, normed."""
        beside = cache = None
        if self.type_embedding is not None:
            kinds = np.zeros_like(target) if types is None else types
            beside, cache = self.type_embedding.forward(kinds)
        elif types is not None:
            raise ConfigError("types are given, and the model tells none apart (token_types is 0)")
        x, embed = self._embed(target, rng, self._places(target), beside=beside)
        return x, BERTEmbedCache(embed, cache)

    def _places(self, target: Array) -> int | Array:
        """Positions of the tokens, from a text's first one on; of padding before it 0."""
        return padded_positions(target, self.config.padding_id) if target.ndim == 2 else 0
