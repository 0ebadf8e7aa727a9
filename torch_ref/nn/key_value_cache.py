"""Keys and values that attention keeps from one decoding step to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from npformer.errors import ShapeError
from torch_ref.nn.quantized_linear import QuantizedLinear

FIRST_ROOM = 32
"""Positions that there is room for at first; room is doubled whenever it runs out."""
SPARE = 16
"""Positions that a window's cache keeps besides, so that as many can be taken back."""


class KeysValues(NamedTuple):
    """What queries attend to."""

    k: Tensor  # (B, S, G, H)
    v: Tensor  # (B, S, G, Hv)


class FusedProjection(NamedTuple):
    """Queries, keys and values of self-attention by one product in place of three."""

    weight: Tensor  # (N H + G (H + Hv), D)
    bias: Tensor | None  # (N H + G (H + Hv),)


def fused_projection(maps: Sequence[Any]) -> FusedProjection:
    """The product of several linear layers of one input, of the weights as they are now."""
    weights = [m.rounded_weight() if isinstance(m, QuantizedLinear) else m.weight for m in maps]
    weight = torch.cat(weights)
    bias = None
    if maps[0].bias is not None:
        biases = [weight.new_zeros(m.out_features) if m.bias is None else m.bias for m in maps]
        bias = torch.cat(biases)
    device = weight.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        weight, bias = weight.to(dtype), None if bias is None else bias.to(dtype)
    return FusedProjection(weight, bias)


Sizes = tuple[tuple[int, int], tuple[int, int]]
"""Of a position's keys (G, H) and values (G, Hv)."""


class KeyValueCache:
    """Self-attention's keys and values of every position so far, a row for each hypothesis.

    ``fused`` are the maps that make them, for decoding reads these at each step.
    """

    def __init__(self, fused: FusedProjection, sizes: Sizes, max_length: int) -> None:
        self.fused, self.sizes = fused, sizes
        self.length = 0
        self._max_length = max_length
        self._kept: KeysValues | None = None  # with room for more positions

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """k, v (R, T, N, H) of the next T positions -> those of every position so far, no mask.

        k (R, t, N, H), v (R, t, N, Hv): each of the t positions is a token's.
        """
        end = self.length + k.shape[1]
        kept = self._kept or KeysValues(k[:, :0], v[:, :0])
        if end > kept.k.shape[1]:
            room = min(max(FIRST_ROOM, 2 * kept.k.shape[1], end), max(end, self._max_length))
            kept = KeysValues(*(_longer(buffer, self.length, room) for buffer in kept))
        for buffer, new in zip(kept, (k, v), strict=True):
            buffer[:, self.length : end] = new
        self.length, self._kept = end, kept
        return kept.k[:, :end], kept.v[:, :end], None

    def rewind(self, length: int) -> None:
        """Forget every position but the first ``length``."""
        self.length = length

    def select(self, rows: Tensor) -> None:
        """Keep ``rows``, in that order; a row may come more than once."""
        if self._kept is not None:
            self._kept = KeysValues(*(_select(b, rows, self.length) for b in self._kept))


class WindowCache(KeyValueCache):
    """Those of the last ``window`` positions, which no later query looks past."""

    def __init__(self, fused: FusedProjection, sizes: Sizes, max_length: int, window: int) -> None:
        super().__init__(fused, sizes, max_length)
        self._window = window

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """k, v (R, T, G, H) of the next T positions -> those, after all that the first one sees."""
        new, before = k.shape[1], 0
        self.length += new
        if self._kept is not None:
            before = min(self._window - 1, self._kept.k.shape[1])
            k, v = (torch.cat(pair, 1) for pair in zip(self._kept, (k, v), strict=True))
        self._kept = KeysValues(*(x[:, -(self._window + SPARE) :].clone() for x in (k, v)))
        return k[:, -(before + new) :], v[:, -(before + new) :], None

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
        if gone and self._kept is not None:
            self._kept = KeysValues(*(x[:, :-gone] for x in self._kept))
        self.length = length

    def select(self, rows: Tensor) -> None:
        """Keep ``rows``, in that order; a row may come more than once."""
        if self._kept is not None:
            self._kept = KeysValues(*(x.index_select(0, rows) for x in self._kept))


def _longer(buffer: Tensor, length: int, room: int) -> Tensor:
    longer = buffer.new_empty(len(buffer), room, *buffer.shape[2:])
    longer[:, :length] = buffer[:, :length]
    return longer


def _select(buffer: Tensor, rows: Tensor, length: int) -> Tensor:
    filled = buffer[:, :length].index_select(0, rows)
    if len(rows) > len(buffer):
        buffer = buffer.new_empty(len(rows), *buffer.shape[1:])
    buffer[: len(rows), :length] = filled  # the same memory, where there is room
    return buffer[: len(rows)]


class StaticKeyValueCache(KeyValueCache):
    """The same in buffers that never move or change their shape, at ``position`` (1,), a tensor.

    So a step of given rows is the same sequence of kernels on the same memory every time, which a
    CUDA graph can replay. It reads all positions, and masks those that are yet to come.
    ``like`` says whose they are; ``shape`` is the number of rows and positions.
    """

    def __init__(self, like: KeyValueCache, position: Tensor, shape: tuple[int, int]) -> None:
        weight, bias = like.fused
        self.fused = FusedProjection(weight.clone(), None if bias is None else bias.clone())
        self.sizes = like.sizes
        self.length = 0
        self._buffers = KeysValues(*(weight.new_zeros(*shape, *size) for size in self.sizes))
        self._position = position
        room = torch.arange(shape[1], device=position.device)
        self._room = room[None, None, None]  # (1, 1, 1, room)

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """As ``KeyValueCache.append``, with all positions and the mask (1, 1, 1, room) of them."""
        for buffer, new in zip(self._buffers, (k, v), strict=True):
            buffer.index_copy_(1, self._position, new)
        return *self._buffers, self._room <= self._position

    def restart(self, other: KeyValueCache) -> None:
        """Take over another's weights, and forget every position.

        What a mask hides weighs 0, which makes nothing of a number but keeps a NaN: so zeros.
        """
        for mine, given in zip(self.fused, other.fused, strict=True):
            if mine is not None and given is not None:
                mine.copy_(given)
        for buffer in self._buffers:
            buffer.zero_()

    def take(self, other: StaticKeyValueCache, rows: Tensor, length: int) -> None:
        """The first ``length`` positions of these rows of another cache, or of this one."""
        for mine, given in zip(self._buffers, other._buffers, strict=True):
            mine[:, :length] = given[:, :length].index_select(0, rows)
