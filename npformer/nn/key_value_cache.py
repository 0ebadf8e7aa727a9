"""The keys and values that one decoder layer keeps from one decoding step to the next.

A position's keys and values never change once it is decoded, for later positions are masked from
earlier ones. Keeping them makes a step's cost that of one position in place of all of them.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

import numpy as np

from npformer.nn.module import Array

FIRST_ROOM = 32
"""Positions that there is room for at first; room is doubled whenever it runs out."""


class KeyValueCache:
    """Self-attention's keys and values, one position a step; cross-attention's, from the start.

    cross_k (B, S, N, H), cross_v (B, S, N, Hv), from the memory, are those of a sentence, whatever
    the number of its hypotheses; self-attention's are those of a row, a hypothesis.
    """

    def __init__(self, cross_k: Array, cross_v: Array, max_length: int) -> None:
        self.cross_k, self.cross_v = cross_k, cross_v
        self.length = 0
        self._max_length = max_length
        room = min(FIRST_ROOM, max_length)
        self._k, self._v = (
            np.empty((len(x), room, *x.shape[2:]), x.dtype) for x in (cross_k, cross_v)
        )

    def append(self, k: Array, v: Array) -> tuple[Array, Array]:
        """k (R, 1, N, H), v of the next position -> those of every position so far (R, t, N, H)."""
        if self.length == self._k.shape[1]:
            self._k, self._v = self._longer(self._k), self._longer(self._v)
        self._k[:, self.length] = k[:, 0]
        self._v[:, self.length] = v[:, 0]
        self.length += 1
        return self._k[:, : self.length], self._v[:, : self.length]

    def select(self, rows: Array) -> None:
        """Keep ``rows``, in that order; a row may come more than once."""
        self._k, self._v = self._select(self._k, rows), self._select(self._v, rows)

    def select_sentences(self, sentences: Array) -> None:
        """Keep the memory of ``sentences`` alone, in that order."""
        self.cross_k, self.cross_v = self.cross_k[sentences], self.cross_v[sentences]

    def _longer(self, buffer: Array) -> Array:
        rows, room, *head = buffer.shape
        longer = np.empty((rows, min(2 * room, self._max_length), *head), buffer.dtype)
        longer[:, :room] = buffer
        return longer

    def _select(self, buffer: Array, rows: Array) -> Array:
        filled = buffer[rows, : self.length]
        if len(rows) > len(buffer):
            buffer = np.empty((len(rows), *buffer.shape[1:]), buffer.dtype)
        buffer[: len(rows), : self.length] = filled  # the same memory, where there is room
        return buffer[: len(rows)]
