"""A batch without its padding: one row of tokens, put into a grid where they must be told apart.

Everything but attention treats each token by itself, so it need not see padding at all. Attention
puts its queries, and its keys and values, each into a grid of sentences and places.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class TokenGrid:
    """Where the n tokens of a batch stand in a grid (B, T); every other place is padding.

    ``shown`` (B, T) is True at a token, of which there must be one.
    """

    def __init__(self, shown: Tensor) -> None:
        self.shape = tuple(shown.shape)
        shown = shown.flatten()
        self._cells = shown.nonzero()[:, 0]  # (n,), counted through the grid
        self._padding = shown.logical_not().nonzero()[:, 0]
        self._tokens = (shown.cumsum(0) - 1).clamp(min=0)  # (B T,), at padding of any token

    @property
    def places(self) -> Tensor:
        """(1, n), each token's column."""
        return self._cells[None] % self.shape[1]

    def spread(self, x: Tensor) -> Tensor:
        """x (1, n, ...) -> (B, T, ...), zeros at padding."""
        y: Tensor = _Spread.apply(x[0], self)
        return y.unflatten(0, self.shape)

    def collect(self, x: Tensor) -> Tensor:
        """x (B, T, ...) -> (1, n, ...), the reverse of ``spread``."""
        y: Tensor = _Collect.apply(x.flatten(0, 1), self)
        return y[None]

    def to_cells(self, x: Tensor) -> Tensor:
        """x (n, ...) -> (B T, ...). Reading is faster than writing by an index, and filling up."""
        return x.index_select(0, self._tokens).index_fill_(0, self._padding, 0)

    def of_cells(self, x: Tensor) -> Tensor:
        """x (B T, ...) -> (n, ...)."""
        return x.index_select(0, self._cells)


class PackedMask(NamedTuple):
    """What queries without padding may attend to, of keys without padding."""

    queries: TokenGrid
    keys: TokenGrid
    mask: Tensor | None
    """Of the two grids, to (B, N, T, S); None where nothing but causality hides a key's place."""

    def spread(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q (1, n, ...), k, v (1, m, ...) -> (B, T, ...), (B, S, ...), (B, S, ...)."""
        return self.queries.spread(q), self.keys.spread(k), self.keys.spread(v)


class _Spread(torch.autograd.Function):
    """Tokens to their cells; the transpose is ``_Collect``, for which PyTorch would sum up rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: TokenGrid) -> Tensor:
        ctx.grid = grid
        return grid.to_cells(x)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return _Collect.apply(dy, ctx.grid), None


class _Collect(torch.autograd.Function):
    """Cells to their tokens; the transpose is ``_Spread``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: TokenGrid) -> Tensor:
        ctx.grid = grid
        return grid.of_cells(x)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return _Spread.apply(dy, ctx.grid), None
