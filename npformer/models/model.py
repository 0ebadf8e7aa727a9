"""What whole models have in common: token ids in, the logits of the next token out.

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.config import ModelConfig
from npformer.errors import ShapeError
from npformer.nn.dropout import Dropout
from npformer.nn.embedding import Embedding
from npformer.nn.layer import Layer
from npformer.nn.layer_norm import LayerNorm
from npformer.nn.linear import Linear
from npformer.nn.memory_order import by_columns
from npformer.nn.module import Array, Module
from npformer.nn.positions import Positions, PositionsCache
from npformer.nn.rms_norm import RMSNorm
from npformer.nn.stack import Stack
from npformer.nn.token_grid import TokenGrid
from npformer.ops.dropout import DropoutCache
from npformer.ops.embedding import EmbeddingCache
from npformer.ops.linear import LinearCache


class EmbedCache(NamedTuple):
    embedding: EmbeddingCache
    positions: PositionsCache
    dropout: DropoutCache
    norm: Any = None  # of the norm's op, if the sum is normed


class Entrance(NamedTuple):
    """What turns the ids of one input into what its stack reads."""

    embedding: Embedding
    positions: Positions
    norm: LayerNorm | RMSNorm | None


class Model(Module):
    """A family of models: its configuration, and what its forward reads.

    The output projection is the embedding's own matrix where ``output_proj`` is None. Padding
    is on the right, so a causal mask alone hides it from the tokens before it; elsewhere it needs
    ``documents``, in families that take them.
    """

    Config: ClassVar[type[ModelConfig]]
    """The configuration's class; its ``family`` is the name of the family's file."""
    streams: ClassVar[Mapping[str, str]]
    """Of each input, by the name of the forward's argument: the path of the stack that reads it."""
    auxiliary: bool = False
    """Whether a training has losses beside the tokens'. The forward then takes ``targets`` (B, T),
    what follows each token or ``NO_TARGET`` where none of them counts it, and its cache has them as
    ``auxiliary``: a sum, whose gradient the backward adds."""
    heard: ClassVar[Mapping[str, str]] = {}
    """Inputs that are sound, floats (B, C, L) in place of ids (B, L): of each the field of the
    configuration that says C."""
    packs: ClassVar[bool] = False
    """Whether a row may hold several texts; the forward then takes ``documents``."""

    decodes: ClassVar[bool] = True
    """Whether it predicts the next token, seeing those before it alone; then it has ``step``."""

    config: Any
    embedding: Embedding
    positions: Positions
    dropout: Dropout
    output_proj: Linear | None
    embedding_scale: float = 1.0
    output_scale: float = 1.0
    """Factor of the last states, before they are projected."""
    embedding_norm: LayerNorm | RMSNorm | None = None
    projects: bool = True
    """Whether the forward ends with the output projection. Without it, it returns in the place of
    logits what would be projected, (B, T, D), and the backward takes the gradient of that; who
    calls them makes the logits, by ``output``, as many at a time as there is memory for."""

    def __init__(
        self, config: Any, *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        raise NotImplementedError

    forward: Callable[..., tuple[Array, Any]]
    """The inputs that ``streams`` names, ``rng`` -> logits (B, T, V), cache."""
    backward: Callable[..., Any]
    """dlogits (B, T, V), cache -> nothing, for ids have no gradient; of a sound, its own."""
    encode: Callable[..., tuple[Array, Any]]
    """Of a family that gives vectors of texts: the same inputs -> vectors (B, D), cache."""
    encode_backward: Callable[..., None]
    """dvectors (B, D), cache -> nothing."""

    def grids(self, inputs: Mapping[str, Array], counts: Array) -> Mapping[str, TokenGrid] | None:
        """The tokens of ``inputs`` that a loss needs at ``counts`` (B, T), for ``forward``; those
        of the target are ``to``.

        None where that is all of them, or where ``forward`` takes no grids.
        """
        return None

    def rebalance(self, load: Array) -> None:
        """After a step in which layer l's expert e had load[l, e] tokens; see ``auxiliary``."""

    def run_layers(self, *, checkpointed: bool, freed: bool = False) -> None:
        """How layers run from now on: whether they keep their inputs alone (``Stack``).

        With ``freed`` a backward drops the cache of each layer that it is done with, so that there
        is one backward of a forward.
        """
        for _, module in self.named_modules():
            if isinstance(module, Stack):
                module.checkpointed, module.freed = checkpointed, freed

    def lay_by_columns(self) -> None:
        """Weights lie in memory from now on as products of a few rows, as in decoding, read them
        fastest (``memory_order.py``).

        Their arrays are new ones, made one at a time; whoever holds the old ones, as an optimizer
        does, does not see them. What the model says changes by rounding at most.
        """
        for _, module in self.named_modules():
            if isinstance(module, Layer):
                module.lay_side_by_side()
        weights = [m.weight for _, m in self.named_modules() if isinstance(m, Linear)]
        if self.output_proj is None:
            weights.append(self.embedding.weight)
        for weight in weights:
            weight.data = by_columns(weight.data)

    def _embed(
        self,
        ids: Array,
        rng: np.random.Generator | None = None,
        at: int | Array = 0,
        stream: str = "target",
        beside: Array | None = None,
    ) -> tuple[Array, EmbedCache]:
        """ids (B, T) of tokens at ``at`` -> x (B, T, D), cache.

        They are those of the input called ``stream``; ``beside`` (B, T, D) is added to their
        embeddings. Raises ShapeError for ids of another shape and for more positions than there
        are.
        """
        check_ids(ids)
        end = at + ids.shape[1] if isinstance(at, int) else int(at.max(initial=-1)) + 1
        if end > self.config.max_length:
            raise ShapeError(
                f"a sequence of {end} tokens; the model takes {self.config.max_length} at most"
            )
        parts = self.entrance(stream)
        x, looked_up = parts.embedding.forward(ids)  # (B, T, D)
        x = x * self.embedding_scale
        if beside is not None:
            x = x + beside
        x, positions = parts.positions.forward(x, at)
        norm: Any = None
        if parts.norm is not None:
            x, norm = parts.norm.forward(x)
        x, dropout = self.dropout.forward(x, rng)
        return x, EmbedCache(looked_up, positions, dropout, norm)

    def _embed_backward(self, dx: Array, cache: EmbedCache, stream: str = "target") -> Array:
        """dx (B, T, D) -> that of what was ``beside`` the embedding: a sum has one gradient."""
        parts = self.entrance(stream)
        dx = self.dropout.backward(dx, cache.dropout)
        if parts.norm is not None:
            dx = parts.norm.backward(dx, cache.norm)
        dx = parts.positions.backward(dx, cache.positions)
        parts.embedding.backward(dx * self.embedding_scale, cache.embedding)
        return dx

    def entrance(self, stream: str) -> Entrance:
        """The parts that embed the ids of an input."""
        return Entrance(self.embedding, self.positions, self.embedding_norm)

    def _scaled(self, y: Array) -> Array:
        """Last states (..., D), or a gradient of what they are projected as, times output_scale."""
        return y if self.output_scale == 1 else y * self.output_scale

    def output(self, y: Array) -> tuple[Array, Any]:
        """What is projected (..., D) -> logits (..., V), cache."""
        return self._project(y)

    def back_through_output(self, dlogits: Array, cache: Any) -> Array:
        """dlogits (..., V) -> the gradient of what was projected, (..., D)."""
        return self._project_backward(dlogits, cache)

    def _finish(self, y: Array) -> tuple[Array, Any]:
        """The end of a forward: logits, or what would be projected."""
        return self.output(y) if self.projects else (y, None)

    def _begin_back(self, dy: Array, cache: Any) -> Array:
        """The beginning of its backward."""
        return dy if cache is None else self.back_through_output(dy, cache)

    def _project(self, y: Array) -> tuple[Array, LinearCache]:
        if self.output_proj is not None:
            return self.output_proj.forward(y)
        return self.embedding.project(y)

    def _project_backward(self, dlogits: Array, cache: LinearCache) -> Array:
        if self.output_proj is not None:
            return self.output_proj.backward(dlogits, cache)
        return self.embedding.project_backward(dlogits, cache)


def check_ids(ids: Array) -> None:
    """Raises ShapeError for token ids that are not (batch, length)."""
    if ids.ndim != 2:
        raise ShapeError(f"token ids of shape {ids.shape}; they must be (batch, length)")
