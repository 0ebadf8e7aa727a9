"""Patch embedding. The mathematics is in ``npformer/ops/patch_embedding.py``.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import constant, scaled_normal
from npformer.nn.module import Array, Module, require_positive
from npformer.ops.patch_embedding import (
    PatchEmbeddingCache,
    patch_embedding_backward,
    patch_embedding_forward,
)


class PatchEmbedding(Module):
    """An image as a sequence; ``weight`` is (d_model, channels, side, side), as in PyTorch.

    Raises ConfigError for a size below 1, ShapeError where patches do not cover the image.
    """

    def __init__(
        self,
        channels: int,
        d_model: int,
        side: int,
        bias: bool = True,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(channels=channels, d_model=d_model, side=side)
        self.weight = scaled_normal(d_model, channels * side * side, rng, dtype)
        self.weight.data = self.weight.data.reshape(d_model, channels, side, side)
        self.bias = constant(0.0, d_model, dtype) if bias else None

    def forward(self, x: Array) -> tuple[Array, PatchEmbeddingCache]:
        """x (B, C, Y, X) -> y (B, L, D), cache."""
        bias = None if self.bias is None else self.bias.data
        y, cache = patch_embedding_forward(x, self.weight.data, bias)
        return y, cache if self.weight.trainable else cache._replace(patches=None)

    def backward(self, dy: Array, cache: PatchEmbeddingCache) -> Array:
        """dy (B, L, D) -> dx (B, C, Y, X)."""
        dx, dweight, dbias = patch_embedding_backward(dy, cache)
        if dweight is not None:
            self.weight.accumulate(dweight)
        if self.bias is not None and dbias is not None:
            self.bias.accumulate(dbias)
        return dx
