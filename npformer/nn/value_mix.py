r"""Value embeddings: attention's values, mixed with a row that the token's id alone decides.

Shapes      v, row, y : (B, T, G, H)    mix : (2,)

Forward     y = a v + b row                     (a, b) = mix

Backward    dv = a dy    drow = b dy    da = <dy, v>    db = <dy, row>

            where <., .> sums over every axis: all tokens share the two numbers.

Reading     As in modded-nanogpt (K. Jordan et al., 2024) since its record of 7 December 2024, which
            made two free numbers of one that went from v to the row, and let a table serve two
            layers. Both begin at 1/2. A row comes to the values past all layers before them, and
            its gradient comes back as directly.

Chapter     walkthroughs/28_streams.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import constant
from npformer.nn.module import Array, Module


class ValueMixCache(NamedTuple):
    v: Array  # (B, T, G, H)
    row: Array  # (B, T, G, H)


class ValueMix(Module):
    """Two numbers, ``mix`` (2,): what the values count, and what the row does."""

    def __init__(self, *, dtype: DTypeLike = np.float32) -> None:
        self.mix = constant(0.5, 2, dtype)

    def forward(self, v: Array, row: Array) -> tuple[Array, ValueMixCache]:
        """v (B, T, G, H), row (B, T, G, H) -> y (B, T, G, H), cache."""
        a, b = self.mix.data
        return a * v + b * row, ValueMixCache(v, row)

    def backward(self, dy: Array, cache: ValueMixCache) -> tuple[Array, Array]:
        """dy (B, T, G, H) -> dv, drow (B, T, G, H)."""
        a, b = self.mix.data
        flat = dy.reshape(-1)
        self.mix.accumulate(np.stack([flat @ cache.v.reshape(-1), flat @ cache.row.reshape(-1)]))
        return a * dy, b * dy
