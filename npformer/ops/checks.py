"""What an op must refuse itself, because NumPy would accept it and answer something else.

Chapter     walkthroughs/00_how_to_read.md
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from npformer.errors import ConfigError, ShapeError, nearest
from npformer.ops.array import Array


def check_ids(ids: Array, count: int, what: str) -> None:
    """Every id must be an integer in [0, count); NumPy would wrap -1 to the last row.

    Raises ``ShapeError`` for ids that are not integers, ``IndexError`` for one out of range.
    """
    if ids.dtype.kind not in "iu":
        raise ShapeError(f"{what} has dtype {ids.dtype}; it must be an array of integers")
    if ids.size:
        for value in (int(ids.min()), int(ids.max())):
            if not 0 <= value < count:
                raise IndexError(f"{what} {value} is out of range; it must be in [0, {count})")


def check_mask(mask: Array) -> None:
    """A mask is boolean; a 0 / -inf mask that is added to scores would be read upside down.

    Raises ``ShapeError`` for another dtype.
    """
    if mask.dtype != np.bool_:
        raise ShapeError(f"mask has dtype {mask.dtype}; it must be bool, True = may attend")


def check_choice(what: str, given: str, allowed: Sequence[str]) -> None:
    """``given`` must be one of ``allowed``; raises ``ConfigError`` that names the nearest."""
    if given not in allowed:
        raise ConfigError(
            f"{what} is {given!r}; choose one of {', '.join(allowed)}" + nearest(given, allowed)
        )


def check_groups(heads: int, groups: int, of_values: int) -> None:
    """So many heads of queries read so many of keys, and as many of values.

    Raises ``ShapeError`` where the keys' heads do not divide the queries', or the values' differ.
    """
    if of_values != groups:
        raise ShapeError(f"k has {groups} heads and v {of_values}; give both as many")
    if groups != heads and (not groups or heads % groups):
        raise ShapeError(
            f"k has {groups} heads and q {heads}; the heads of k must divide those of q, "
            "so that as many queries read each"
        )


def check_window(window: int | None) -> None:
    """A window is a number of keys; raises ``ConfigError`` for one below 1."""
    if window is not None and window < 1:
        raise ConfigError(
            f"window is {window}; it must be at least 1, the key at the query's own position, "
            "or None for no window"
        )


def check_softcap(cap: float | None) -> None:
    """Scores are held within (-cap, cap); raises ``ConfigError`` for a cap that is not positive."""
    if cap is not None and not 0 < cap < math.inf:
        raise ConfigError(f"softcap is {cap}; it must be positive and finite, or None for no cap")


def check_tile(tile: int) -> None:
    """A tile is a number of rows and of columns; raises ``ConfigError`` for one below 1."""
    if tile < 1:
        raise ConfigError(f"tile is {tile}; it must be at least 1, the rows and columns of a tile")
