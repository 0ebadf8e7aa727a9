r"""Per-layer embeddings: of each token a short row for every layer (Gemma 3n, Google, 2025).

Shapes      ids : (B, T)    x : (B, T, D)    table : (V, L P)    projection : (L P, D)
            y, e, c : (B, T, L, P), row l for layer l

Forward     e = sqrt(P) table[ids]                      by the token alone
            c = N(x projection^T / sqrt(D))             by what the first layer reads; N over P
            y = (e + c) / sqrt(2)

Backward    A sum and its factors: with g = dy / sqrt(2), the table's rows get sqrt(P) g, each the
            sum over the places of its token, and c gets g, which goes back through the norm. x is
            read here besides by the first layer, so its two gradients are added there.

Reading     The table has as many columns as all layers' rows together, and a token needs one row of
            it, however large it is: it may lie in slow memory. What a layer does with its row is
            ``PerLayerGate``'s. The norm's weight is one for all layers.

Chapter     walkthroughs/28_streams.md
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.embedding import Embedding
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module, require_positive
from npformer.nn.norms import make_norm
from npformer.ops.embedding import EmbeddingCache
from npformer.ops.linear import LinearCache


class PerLayerEmbeddingCache(NamedTuple):
    table: EmbeddingCache
    projection: LinearCache
    norm: Any  # the cache of the norm's op


class PerLayerEmbedding(Module):
    """A row of ``size`` for each of ``layers``, of ``num_embeddings`` tokens.

    An id beyond them, such as that of a picture, reads row 0. The row of ``padding_idx`` starts at
    zero and gets no gradient. Raises ConfigError for a size below 1 and another norm.
    """

    def __init__(
        self,
        num_embeddings: int,
        layers: int,
        size: int,
        d_model: int,
        padding_idx: int | None = None,
        *,
        norm_type: str = "rms_norm",
        eps: float = 1e-5,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(layers=layers, size=size)
        self.layers, self.size = layers, size
        columns = layers * size
        self.table = Embedding(num_embeddings, columns, padding_idx, rng=rng, dtype=dtype)
        self.projection = Linear(d_model, columns, bias=False, rng=rng, dtype=dtype)
        self.norm = make_norm(norm_type, size, eps, dtype=dtype)
        self.scale = math.sqrt(size), 1 / math.sqrt(d_model), math.sqrt(0.5)

    def forward(self, x: Array, ids: Array) -> tuple[Array, PerLayerEmbeddingCache]:
        """x (B, T, D), ids (B, T) -> y (B, T, L, P), cache."""
        of_rows, of_product, of_sum = self.scale
        known = np.where(ids < len(self.table.weight.data), ids, 0)
        e, table = self.table.forward(known)
        c, projection = self.projection.forward(x)
        c, norm = self.norm.forward(self._split(c * of_product))
        y = (self._split(e * of_rows) + c) * of_sum
        return y, PerLayerEmbeddingCache(table, projection, norm)

    def backward(self, dy: Array, cache: PerLayerEmbeddingCache) -> Array:
        """dy (B, T, L, P) -> dx (B, T, D): ids have no gradient."""
        of_rows, of_product, of_sum = self.scale
        g = dy * of_sum
        self.table.backward(_merge(g) * of_rows, cache.table)
        dc = _merge(self.norm.backward(g, cache.norm)) * of_product
        return self.projection.backward(dc, cache.projection)

    def _split(self, x: Array) -> Array:
        return x.reshape(*x.shape[:-1], self.layers, self.size)  # (B, T, L, P)


def _merge(x: Array) -> Array:
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])  # (B, T, L P)
