"""The paper's table of sines and cosines, added to the embeddings of tokens.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.module import Array
from npformer.nn.positions.base import Positions, PositionsCache, rows_at
from npformer.ops.positions import sinusoidal_positions


class SinusoidalPositions(Positions):
    """The paper's table (section 3.5), which has no parameter.

    ``layout`` and ``first`` are those of ``sinusoidal_positions``; another layout raises
    ConfigError.
    """

    adds = True

    def __init__(
        self,
        max_length: int,
        d_model: int,
        layout: str = "interleaved",
        first: int = 0,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._table = sinusoidal_positions(
            max_length, d_model, layout=layout, first=first, dtype=dtype
        )

    def forward(self, x: Array, at: int | Array = 0) -> tuple[Array, PositionsCache]:
        """x (B, T, D), of tokens at ``at`` -> y (B, T, D), cache.

        Raises ShapeError and IndexError as ``rows_at`` does.
        """
        return x + rows_at(self._table, at, x.shape[1]), PositionsCache(at)

    def backward(self, dy: Array, cache: PositionsCache) -> Array:
        """dy (B, T, D) -> dx (B, T, D)."""
        return dy
