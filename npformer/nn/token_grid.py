"""A batch without its padding: one row of tokens, put into a grid where they must be told apart.

Everything but attention treats each token by itself, so it need not see padding at all. Attention
puts its queries, and its keys and values, each into a grid of sentences and places. Self-attention
has one grid for all three; in cross-attention the queries have the target's grid, and keys and
values the source's. The two ways between row and grid are transposes of each other, so the
gradients go back by the other one.

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.nn.module import Array


class TokenGrid:
    """Where the n tokens of a batch stand in a grid (B, T); every other place is padding.

    ``shown`` (B, T) is True at a token, of which there must be one.
    """

    def __init__(self, shown: Array) -> None:
        self.shape = shown.shape
        shown = shown.reshape(-1)
        self._cells = np.flatnonzero(shown)  # (n,), counted through the grid
        self._padding = np.flatnonzero(~shown)
        self._tokens = np.maximum(shown.cumsum() - 1, 0)  # (B T,), at padding of any token

    @property
    def places(self) -> Array:
        """(1, n), each token's column."""
        return self._cells[None] % self.shape[1]

    def spread(self, x: Array) -> Array:
        """x (1, n, ...) -> (B, T, ...), zeros at padding."""
        y = x[0].take(self._tokens, axis=0)  # reading by an index is faster than writing by one
        y[self._padding] = 0
        return y.reshape(*self.shape, *x.shape[2:])

    def collect(self, x: Array) -> Array:
        """x (B, T, ...) -> (1, n, ...), the transpose of ``spread``."""
        return x.reshape(-1, *x.shape[2:]).take(self._cells, axis=0)[None]


class PackedMask(NamedTuple):
    """What queries without padding may attend to, of keys without padding."""

    queries: TokenGrid
    keys: TokenGrid
    mask: Array | None
    """Of the two grids, to (B, N, T, S); None where nothing but causality hides a key's place."""

    def spread(self, q: Array, k: Array, v: Array) -> tuple[Array, Array, Array]:
        """q (1, n, ...), k, v (1, m, ...) -> (B, T, ...), (B, S, ...), (B, S, ...)."""
        return self.queries.spread(q), self.keys.spread(k), self.keys.spread(v)

    def collect(self, dq: Array, dk: Array, dv: Array) -> tuple[Array, Array, Array]:
        """dq (B, T, ...), dk, dv (B, S, ...) -> (1, n, ...), (1, m, ...), (1, m, ...)."""
        return self.queries.collect(dq), self.keys.collect(dk), self.keys.collect(dv)
