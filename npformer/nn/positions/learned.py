"""A learned row for each position, added to the embeddings of tokens.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import scaled_normal
from npformer.nn.module import Array
from npformer.nn.positions.base import Positions, PositionsCache, rows_at


class LearnedPositions(Positions):
    """A row of ``weight`` (max_length, d_model) for each position (Gehring et al., 2017)."""

    adds = True

    def __init__(
        self,
        max_length: int,
        d_model: int,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.weight = scaled_normal(max_length, d_model, rng, dtype)

    def forward(self, x: Array, at: int | Array = 0) -> tuple[Array, PositionsCache]:
        """x (B, T, D), of tokens at ``at`` -> y (B, T, D), cache.

        Raises ShapeError and IndexError as ``rows_at`` does.
        """
        return x + rows_at(self.weight.data, at, x.shape[1]), PositionsCache(at)

    def backward(self, dy: Array, cache: PositionsCache) -> Array:
        """dy (B, T, D) -> dx (B, T, D); a position's row gets the sum over its tokens."""
        if not self.weight.trainable:
            return dy
        dweight = np.zeros_like(self.weight.data)
        if isinstance(cache.at, np.ndarray):
            np.add.at(dweight, np.broadcast_to(cache.at, dy.shape[:2]), dy)
        else:
            dweight[cache.at : cache.at + dy.shape[1]] = dy.sum(axis=0)
        self.weight.accumulate(dweight)
        return dy
