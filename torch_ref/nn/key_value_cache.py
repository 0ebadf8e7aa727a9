"""The keys and values that one decoder layer keeps from one decoding step to the next."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.nn.multi_head_attention import FusedProjection

FIRST_ROOM = 32
"""Positions that there is room for at first; room is doubled whenever it runs out."""


class KeyValueCache:
    """Self-attention's keys and values, one position a step; cross-attention's, from the start.

    cross_k (B, S, N, H), cross_v (B, S, N, Hv), from the memory, are those of a sentence, whatever
    the number of its hypotheses; self-attention's are those of a row, a hypothesis. ``fused`` are
    the maps that make self-attention's.
    """

    def __init__(
        self, cross_k: Tensor, cross_v: Tensor, fused: FusedProjection, max_length: int
    ) -> None:
        self.cross_k, self.cross_v, self.fused = cross_k, cross_v, fused
        self.length = 0
        self._max_length = max_length
        room = min(FIRST_ROOM, max_length)
        self._k, self._v = (x.new_empty(x.shape[0], room, *x.shape[2:]) for x in (cross_k, cross_v))

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """k, v (R, 1, N, H) of the next position -> those of every position so far, and no mask.

        k (R, t, N, H), v (R, t, N, Hv): each of the t positions may be attended to.
        """
        if self.length == self._k.shape[1]:
            self._k, self._v = self._longer(self._k), self._longer(self._v)
        self._k[:, self.length] = k[:, 0]
        self._v[:, self.length] = v[:, 0]
        self.length += 1
        return self._k[:, : self.length], self._v[:, : self.length], None

    def select(self, rows: Tensor) -> None:
        """Keep ``rows``, in that order; a row may come more than once."""
        self._k, self._v = self._select(self._k, rows), self._select(self._v, rows)

    def select_sentences(self, sentences: Tensor) -> None:
        """Keep the memory of ``sentences`` alone, in that order."""
        self.cross_k = self.cross_k.index_select(0, sentences)
        self.cross_v = self.cross_v.index_select(0, sentences)

    def _longer(self, buffer: Tensor) -> Tensor:
        rows, room, *head = buffer.shape
        longer = buffer.new_empty(rows, min(2 * room, self._max_length), *head)
        longer[:, :room] = buffer
        return longer

    def _select(self, buffer: Tensor, rows: Tensor) -> Tensor:
        filled = buffer[:, : self.length].index_select(0, rows)
        if len(rows) > len(buffer):
            buffer = buffer.new_empty(len(rows), *buffer.shape[1:])
        buffer[: len(rows), : self.length] = filled  # the same memory, where there is room
        return buffer[: len(rows)]


class StaticKeyValueCache(KeyValueCache):
    """The same in buffers that never move or change their shape, at ``position`` (1,), a tensor.

    So a step of given rows is the same sequence of kernels on the same memory every time, which a
    CUDA graph can replay. It reads all positions, and masks those that are yet to come.
    ``like`` says how long the memory is, and whose; ``shape`` is the number of rows and positions.
    """

    def __init__(self, like: KeyValueCache, source: int, position: Tensor, shape: tuple[int, int]):
        self.cross_k, self.cross_v = (
            x.new_zeros(x.shape[0], source, *x.shape[2:]) for x in (like.cross_k, like.cross_v)
        )
        self.fused = FusedProjection(*(x.clone() for x in like.fused))
        self._k, self._v = (x.new_zeros(*shape, *x.shape[2:]) for x in (self.cross_k, self.cross_v))
        self._position = position
        room = torch.arange(shape[1], device=position.device)
        self._room = room[None, None, None]  # (1, 1, 1, room)

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """As ``KeyValueCache.append``, with all positions and the mask (1, 1, 1, room) of them."""
        self._k.index_copy_(1, self._position, k)
        self._v.index_copy_(1, self._position, v)
        return self._k, self._v, self._room <= self._position

    def restart(self, other: KeyValueCache) -> None:
        """Take over another's memory, which may be shorter, and weights, and forget every position.

        What a mask hides weighs 0, which makes nothing of a number but keeps a NaN: so zeros.
        """
        for mine, given in ((self.cross_k, other.cross_k), (self.cross_v, other.cross_v)):
            mine.zero_()
            mine[:, : given.shape[1]] = given
        for mine, given in zip(self.fused, other.fused, strict=True):
            mine.copy_(given)
        self._k.zero_()
        self._v.zero_()

    def take(self, other: StaticKeyValueCache, rows: Tensor, length: int) -> None:
        """The first ``length`` positions of these rows of another cache, or of this one."""
        self._k[:, :length] = other._k[:, :length].index_select(0, rows)
        self._v[:, :length] = other._v[:, :length].index_select(0, rows)
