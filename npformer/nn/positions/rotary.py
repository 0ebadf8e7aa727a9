"""Rotary positions: queries and keys turn. Mathematics: ``npformer/ops/rotary.py``.

Chapter     walkthroughs/16_positions_that_rotate.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError, ShapeError
from npformer.nn.module import Array
from npformer.nn.positions.base import Positions, rows_at
from npformer.ops.checks import check_choice
from npformer.ops.rotary import ROTARY_LAYOUTS, RotaryCache, rotary_backward, rotary_forward
from npformer.ops.rotary_tables import rotary_axes, rotary_frequencies, rotary_tables


@dataclass(frozen=True, eq=False)
class RotaryTables:
    """Cosines and sines of every position, which all layers that turn alike share."""

    cos: Array  # (P, R/2), read-only
    sin: Array  # as cos

    def __deepcopy__(self, memo: dict[int, Any]) -> RotaryTables:
        return self


_in_use: WeakValueDictionary[tuple[Any, ...], RotaryTables] = WeakValueDictionary()


def shared_tables(
    max_length: int, frequencies: Array, factor: float, dtype: DTypeLike
) -> RotaryTables:
    """The tables of positions 0 to ``max_length`` - 1, made once for as long as a layer has them.

    30 layers of 8,192 positions and heads of 64 would hold 60 MiB of the same numbers.
    """
    key = (max_length, frequencies.tobytes(), factor, np.dtype(dtype))
    tables = _in_use.get(key)
    if tables is None:
        tables = RotaryTables(
            *rotary_tables(np.arange(max_length), frequencies, factor, dtype=dtype)
        )
        for table in (tables.cos, tables.sin):
            table.setflags(write=False)
        _in_use[key] = tables
    return tables


class RotaryPositions(Positions):
    """Turns the first ``width`` columns of every head; there is no parameter.

    ``theta`` and ``scaling`` are those of ``rotary_frequencies``. With ``sections`` a token has a
    position on each of several axes, as an image's has, and ``sections`` says how many points
    each axis turns, see ``rotary_axes``; then ``at`` is (A, T) or (A, B, T). Where ``at`` is a
    number, a token's position is the same on every axis.

    Raises ConfigError for a layout or scaling that does not exist, an odd width, and sections that
    are not width / 2 points in all.
    """

    rotates = True

    def __init__(
        self,
        max_length: int,
        width: int,
        layout: str = "half",
        *,
        theta: float = 10_000.0,
        scaling: Mapping[str, Any] | None = None,
        sections: Sequence[int] = (),
        interleaved_sections: bool = False,
        dtype: DTypeLike = np.float32,
    ) -> None:
        check_choice("layout", layout, ROTARY_LAYOUTS)
        frequencies, factor = rotary_frequencies(width, theta, scaling)
        self.layout = layout
        self._axes = rotary_axes(sections, interleaved=interleaved_sections) if sections else None
        if self._axes is not None and 2 * len(self._axes) != width:
            raise ConfigError(
                f"sections {tuple(sections)} are {len(self._axes)} points; "
                f"a rotary width of {width} has {width // 2}"
            )
        self._axis_count = len(sections)
        self.tables = shared_tables(max_length, frequencies, factor, dtype)

    def rotate(self, x: Array, at: int | Array = 0) -> tuple[Array, RotaryCache]:
        """x (B, T, N, H), queries or keys of tokens at ``at`` -> y (B, T, N, H), cache.

        Raises ShapeError and IndexError as ``rows_at`` does, and for a head that is narrower than
        the rotary width.
        """
        cos, sin = (
            self._rows(table, at, x.shape[1]) for table in (self.tables.cos, self.tables.sin)
        )
        return rotary_forward(x, cos, sin, layout=self.layout)

    def rotate_backward(self, dy: Array, cache: RotaryCache) -> Array:
        """dy (B, T, N, H) -> dx (B, T, N, H)."""
        return rotary_backward(dy, cache)

    def _rows(self, table: Array, at: int | Array, length: int) -> Array:
        if self._axes is None or not isinstance(at, np.ndarray):
            return rows_at(table, at, length)  # (T, R/2) or (B, T, R/2)
        if at.ndim < 2 or len(at) != self._axis_count:
            raise ShapeError(
                f"positions of shape {at.shape} on {self._axis_count} axes; "
                f"give ({self._axis_count}, T) or ({self._axis_count}, B, T)"
            )
        every = rows_at(table, at, length)  # (A, T, R/2) or (A, B, T, R/2)
        return np.stack([every[axis, ..., i] for i, axis in enumerate(self._axes)], axis=-1)
