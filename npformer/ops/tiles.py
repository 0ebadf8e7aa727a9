"""The tiles of attention's matrix: which there are, and their products.

Heads that share keys are rows of one product, as in attention.py.

Chapter     walkthroughs/19_attention_in_tiles.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.ops.heads import by_group, by_position, swap
from npformer.ops.hidden import product_of_seen


class Tile(NamedTuple):
    """Rows i of the queries and columns j of the keys."""

    rows: slice
    columns: slice
    seen: Array | None  # broadcast to (B, N, i, j); None: everything

    def of(self, x: Array) -> Array:
        """x, broadcast to (B, N, T, S) -> its part, broadcast to (B, N, i, j); a view."""
        x = np.atleast_2d(x)
        rows = self.rows if x.shape[-2] > 1 else slice(None)
        columns = self.columns if x.shape[-1] > 1 else slice(None)
        return x[..., rows, columns]


def tiles(
    rows: slice, first: Array, last: Array, mask: Array | None, size: int, tile: int
) -> Iterator[Tile]:
    """Those of some rows in which anything is seen; first (T,) and last (T,) as in masks.py.

    ``size`` is S.
    """
    first, last = first[rows, None], last[rows, None]  # (i, 1)
    start = int(first.min(initial=size)) // tile * tile
    for column in range(start, int(last.max(initial=0)), tile):
        part = Tile(rows, slice(column, min(column + tile, size)), None)
        here = np.arange(part.columns.start, part.columns.stop)
        seen = (first <= here) & (here < last)  # (i, j)
        if mask is not None:
            seen = seen & part.of(mask)
        if seen.any():
            yield part._replace(seen=None if seen.all() else seen)


def scores_of(q: Array, k: Array) -> Array:
    """q (B, i, N, H), k (B, j, G, H) -> (B, N, i, j)."""
    (b, i, n, _), j = q.shape, k.shape[1]
    return (by_group(q, k.shape[2]) @ swap(k).mT).reshape(b, n, i, j)


def over_columns(weights: Array, x: Array, seen: Array | None) -> Array:
    """weights (B, N, i, j), x (B, j, G, H) -> (B, i, N, H), a sum over what is seen of j."""
    grouped, seen = _by_group(weights, x.shape[2], seen)
    return by_position(product_of_seen(seen, grouped, swap(x)), weights.shape[1])


def over_rows(weights: Array, x: Array, seen: Array | None, groups: int) -> Array:
    """weights (B, N, i, j), x (B, i, N, H) -> (B, j, G, H), over i and the heads of a group."""
    grouped, seen = _by_group(weights, groups, seen)
    seen = seen if seen is None else seen.mT
    return swap(product_of_seen(seen, grouped.mT, by_group(x, groups)))


def _by_group(weights: Array, groups: int, seen: Array | None) -> tuple[Array, Array | None]:
    """weights (B, N, i, j), seen broadcast to it -> both (B, G, N/G * i, j)."""
    b, n, i, j = weights.shape
    shape = (b, n, i, j) if n == groups else (b, groups, n // groups * i, j)
    if seen is not None:
        seen = np.broadcast_to(seen, weights.shape).reshape(shape)
    return weights.reshape(shape), seen
