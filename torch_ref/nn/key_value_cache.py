"""The keys and values that one decoder layer keeps from one decoding step to the next."""

from __future__ import annotations

from torch import Tensor


class KeyValueCache:
    """Self-attention's keys and values, one position a step; cross-attention's, from the start.

    cross_k, cross_v : (B, S, N, H), from the memory; ``max_length`` is the room for positions.
    """

    def __init__(self, cross_k: Tensor, cross_v: Tensor, max_length: int) -> None:
        self.cross_k, self.cross_v = cross_k, cross_v
        self.length = 0
        self._k = _room_for(cross_k, max_length)
        self._v = _room_for(cross_v, max_length)

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """k, v (B, 1, N, H) of the next position -> those of every position so far (B, t, N, H)."""
        self._k[:, self.length] = k[:, 0]
        self._v[:, self.length] = v[:, 0]
        self.length += 1
        return self._k[:, : self.length], self._v[:, : self.length]

    def select(self, rows: Tensor) -> None:
        """Keep ``rows`` of the batch, in that order; a row may come more than once."""
        self.cross_k, self.cross_v = self.cross_k[rows], self.cross_v[rows]
        self._k, self._v = self._select(self._k, rows), self._select(self._v, rows)

    def _select(self, buffer: Tensor, rows: Tensor) -> Tensor:
        filled = buffer[rows, : self.length]
        if len(rows) > len(buffer):
            buffer = buffer.new_empty(len(rows), *buffer.shape[1:])
        buffer[: len(rows), : self.length] = filled  # the same memory, where there is room
        return buffer[: len(rows)]


def _room_for(cross: Tensor, max_length: int) -> Tensor:
    batch, _, heads, size = cross.shape
    return cross.new_empty(batch, max_length, heads, size)
