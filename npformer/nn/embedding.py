"""Embedding: a row of the weight per token id. Mathematics: ``npformer/ops/embedding.py``.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import constant, drawn, scaled_normal
from npformer.nn.linear import gather_linear
from npformer.nn.module import Array, Module, require_positive
from npformer.ops.embedding import EmbeddingCache, embedding_backward, embedding_forward
from npformer.ops.linear import LinearCache, linear_forward


class Embedding(Module):
    """A table of ``num_embeddings`` rows; ``weight`` is (num_embeddings, embedding_dim).

    The row of ``padding_idx`` starts at zero and gets no gradient through a look-up. With
    ``output_bias``, ``project`` adds ``bias`` (num_embeddings,).
    Raises ConfigError for a size below 1, IndexError for an id outside the table.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        output_bias: bool = False,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.padding_idx = padding_idx
        self.weight = scaled_normal(num_embeddings, embedding_dim, rng, dtype)
        self.clear_padding()
        self.bias = constant(0.0, num_embeddings, dtype) if output_bias else None

    def clear_padding(self) -> None:
        """Set the row of ``padding_idx`` to 0, if there is one."""
        if self.padding_idx is not None and drawn(self.weight):
            self.weight.data[self.padding_idx] = 0

    def forward(self, ids: Array) -> tuple[Array, EmbeddingCache]:
        """ids (...) -> y (..., embedding_dim), cache."""
        return embedding_forward(ids, self.weight.data, padding_idx=self.padding_idx)

    def backward(self, dy: Array, cache: EmbeddingCache) -> None:
        """dy (..., embedding_dim) -> nothing: ids have no gradient."""
        if self.weight.takes_rows:
            seen, cache = _of_those_seen(cache)
            self.weight.accumulate_rows(seen, embedding_backward(dy, cache))
        elif self.weight.trainable:
            self.weight.accumulate(embedding_backward(dy, cache))

    def project(self, x: Array) -> tuple[Array, LinearCache]:
        """x (..., embedding_dim) -> logits (..., num_embeddings), cache: the weight, tied.

        The same matrix as the output projection (Press & Wolf, 2017, arXiv:1608.05859).
        """
        bias = None if self.bias is None else self.bias.data
        y, cache = linear_forward(x, self.weight.data, bias)
        return y, cache if self.weight.trainable else cache._replace(x=None)

    def project_backward(self, dlogits: Array, cache: LinearCache) -> Array:
        """dlogits (..., num_embeddings) -> dx (..., embedding_dim); every row has a gradient."""
        return gather_linear(dlogits, cache, self.weight, self.bias)


def _of_those_seen(cache: EmbeddingCache) -> tuple[Array, EmbeddingCache]:
    """The K different ids (K,), and the cache of a look-up in a table of their rows alone."""
    seen, places = np.unique(cache.ids, return_inverse=True)
    padding = np.flatnonzero(seen == cache.padding_idx)
    return seen, EmbeddingCache(
        places.reshape(cache.ids.shape), len(seen), int(padding[0]) if padding.size else None
    )
