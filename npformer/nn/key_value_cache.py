"""The keys and values that one decoder layer keeps from one decoding step to the next.

A position's keys and values never change once it is decoded, for later positions are masked from
earlier ones. Keeping them makes a step's cost that of one position in place of all of them.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

import numpy as np

from npformer.nn.module import Array


class KeyValueCache:
    """Self-attention's keys and values, one position a step; cross-attention's, from the start.

    cross_k, cross_v : (B, S, N, H), from the memory; ``max_length`` is the room for positions.
    """

    def __init__(self, cross_k: Array, cross_v: Array, max_length: int) -> None:
        self.cross_k, self.cross_v = cross_k, cross_v
        self.length = 0
        batch, _, heads, d_k = cross_k.shape
        self._k = np.empty((batch, max_length, heads, d_k), cross_k.dtype)
        self._v = np.empty((batch, max_length, heads, cross_v.shape[3]), cross_v.dtype)

    def append(self, k: Array, v: Array) -> tuple[Array, Array]:
        """k, v (B, 1, N, H) of the next position -> those of every position so far (B, t, N, H)."""
        self._k[:, self.length] = k[:, 0]
        self._v[:, self.length] = v[:, 0]
        self.length += 1
        return self._k[:, : self.length], self._v[:, : self.length]

    def select(self, rows: Array) -> None:
        """Keep ``rows`` of the batch, in that order; a row may come more than once."""
        self.cross_k, self.cross_v = self.cross_k[rows], self.cross_v[rows]
        self._k, self._v = self._select(self._k, rows), self._select(self._v, rows)

    def _select(self, buffer: Array, rows: Array) -> Array:
        filled = buffer[rows, : self.length]
        if len(rows) > len(buffer):
            buffer = np.empty((len(rows), *buffer.shape[1:]), buffer.dtype)
        buffer[: len(rows), : self.length] = filled  # the same memory, where there is room
        return buffer[: len(rows)]
