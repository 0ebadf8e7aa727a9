"""Keys and values that attention keeps from one decoding step to the next.

A position's keys and values never change once it is decoded, for later positions are masked from
earlier ones. Keeping them makes a step's cost that of one position in place of all of them.

Chapter     walkthroughs/12_decoding.md
Chapter     walkthroughs/22_decoder_only.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npformer.errors import ShapeError
from npformer.nn.module import Array
from npformer.ops.attention import attention_forward
from npformer.ops.tiled_attention import tiled_attention_forward

FIRST_ROOM = 32
"""Positions that there is room for at first; room is doubled whenever it runs out."""
SPARE = 16
"""Positions that a window's cache keeps besides, so that as many can be taken back."""

LONG = 256
"""A prompt of more tokens is read by attention in tiles, which is faster from there on, and whose
memory does not grow with the square of the length. No backward comes, which would want probs."""


class KeysValues(NamedTuple):
    """What queries attend to."""

    k: Array  # (B, S, G, H)
    v: Array  # (B, S, G, Hv)


class KeyValueCache:
    """Self-attention's keys and values of every position so far, a row for each hypothesis."""

    def __init__(self, max_length: int) -> None:
        self.length = 0
        self._max_length = max_length
        self._kept: KeysValues | None = None  # with room for more positions

    @property
    def held(self) -> int:
        """Positions whose keys and values are kept."""
        return self.length

    def append(self, k: Array, v: Array) -> KeysValues:
        """k (R, T, G, H), v of the next T positions -> those of every position so far."""
        end = self.length + k.shape[1]
        kept = self._kept or KeysValues(k[:, :0], v[:, :0])
        if end > kept.k.shape[1]:
            room = min(max(FIRST_ROOM, 2 * kept.k.shape[1], end), max(end, self._max_length))
            kept = KeysValues(*(_longer(buffer, self.length, room) for buffer in kept))
        kept.k[:, self.length : end] = k
        kept.v[:, self.length : end] = v
        self.length, self._kept = end, kept
        return KeysValues(kept.k[:, :end], kept.v[:, :end])

    def rewind(self, length: int) -> None:
        """Forget every position but the first ``length``."""
        self.length = length

    def select(self, rows: Array) -> None:
        """Keep ``rows``, in that order; a row may come more than once."""
        if self._kept is not None:
            self._kept = KeysValues(*(_select(b, rows, self.length) for b in self._kept))


class RingCache(KeyValueCache):
    """Those of the last ``window`` positions, which no later query looks past.

    With w for the window and ``SPARE``, position p lies in place p modulo w, where one has been
    that nobody looks at any more, so memory stays what it is however long the text becomes.
    """

    def __init__(self, max_length: int, window: int) -> None:
        super().__init__(max_length)
        self._window = min(window, max_length)
        self._places = min(window + SPARE, max_length)

    @property
    def held(self) -> int:
        """Positions whose keys and values are looked at."""
        return min(self.length, self._window)

    def append(self, k: Array, v: Array) -> KeysValues:
        """k (R, T, G, H), v of the next T positions -> those, after all that the first one sees.

        In the order of their positions, so that the last key is the last query's own.
        """
        if self._kept is None:
            self._kept = KeysValues(*(_room(new, self._places) for new in (k, v)))
        first = max(0, self.length - self._window + 1)
        before = np.arange(first, self.length) % self._places
        found = KeysValues(
            *(
                np.concatenate([kept[:, before], new], axis=1)
                for kept, new in zip(self._kept, (k, v), strict=True)
            )
        )
        self.length += k.shape[1]
        newest = np.arange(max(self.length - self._places, self.length - k.shape[1]), self.length)
        for kept, new in zip(self._kept, (k, v), strict=True):
            kept[:, newest % self._places] = new[:, k.shape[1] - len(newest) :]
        return found

    def rewind(self, length: int) -> None:
        """Forget every position but the first ``length``.

        Raises ``ShapeError`` for more than ``SPARE`` positions.
        """
        gone = self.length - length
        if gone > SPARE:
            raise ShapeError(
                f"{gone} positions to take back; a window's cache keeps what is needed for {SPARE} "
                "at most"
            )
        self.length = length

    def select(self, rows: Array) -> None:
        """Keep ``rows``, in that order; a row may come more than once."""
        if self._kept is not None:
            self._kept = KeysValues(*(kept[rows] for kept in self._kept))


def attention_to_kept(queries: int) -> Callable[..., Any]:
    """The forward by which so many new queries read what is kept."""
    return tiled_attention_forward if queries > LONG else attention_forward


def _room(x: Array, places: int) -> Array:
    return np.empty((len(x), places, *x.shape[2:]), x.dtype)


def _longer(buffer: Array, length: int, room: int) -> Array:
    longer = np.empty((len(buffer), room, *buffer.shape[2:]), buffer.dtype)
    longer[:, :length] = buffer[:, :length]
    return longer


def _select(buffer: Array, rows: Array, length: int) -> Array:
    filled = buffer[rows, :length]
    if len(rows) > len(buffer):
        buffer = np.empty((len(rows), *buffer.shape[1:]), buffer.dtype)
    buffer[: len(rows), :length] = filled  # the same memory, where there is room
    return buffer[: len(rows)]
