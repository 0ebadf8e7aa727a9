"""Positions of tokens in a sequence, added to their embeddings.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError, nearest
from npformer.nn.init import scaled_normal
from npformer.nn.module import Array, Module
from npformer.ops.positions import sinusoidal_positions


class PositionsCache(NamedTuple):
    at: int  # the first position


class SinusoidalPositions(Module):
    """The paper's table (section 3.5), which has no parameter.

    ``layout`` is that of ``sinusoidal_positions``; another one raises ConfigError.
    """

    def __init__(
        self,
        max_length: int,
        d_model: int,
        layout: str = "interleaved",
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._table = sinusoidal_positions(max_length, d_model, layout=layout, dtype=dtype)

    def forward(self, x: Array, at: int = 0) -> tuple[Array, PositionsCache]:
        """x (B, T, D), whose first column is position ``at`` -> y (B, T, D), cache."""
        return x + self._table[at : at + x.shape[1]], PositionsCache(at)

    def backward(self, dy: Array, cache: PositionsCache) -> Array:
        """dy (B, T, D) -> dx (B, T, D)."""
        return dy


class LearnedPositions(Module):
    """A row of ``weight`` (max_length, d_model) for each position (Gehring et al., 2017)."""

    def __init__(
        self,
        max_length: int,
        d_model: int,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.weight = scaled_normal(max_length, d_model, rng, dtype)

    def forward(self, x: Array, at: int = 0) -> tuple[Array, PositionsCache]:
        """x (B, T, D), whose first column is position ``at`` -> y (B, T, D), cache."""
        return x + self.weight.data[at : at + x.shape[1]], PositionsCache(at)

    def backward(self, dy: Array, cache: PositionsCache) -> Array:
        """dy (B, T, D) -> dx (B, T, D); a position's row gets the sum over the sentences."""
        dweight = np.zeros_like(self.weight.data)
        dweight[cache.at : cache.at + dy.shape[1]] = dy.sum(axis=0)
        self.weight.accumulate(dweight)
        return dy


POSITIONS = ("sinusoidal", "sinusoidal_half", "learned")
"""The names that ``make_positions`` knows."""


def make_positions(
    name: str, max_length: int, d_model: int, *, rng: np.random.Generator, dtype: DTypeLike
) -> SinusoidalPositions | LearnedPositions:
    """The positions of that name; raises ConfigError, with the nearest, if there are none."""
    if name not in POSITIONS:
        raise ConfigError(
            f"positions {name!r} do not exist; choose one of {', '.join(POSITIONS)}"
            + nearest(name, POSITIONS)
        )
    if name == "learned":
        return LearnedPositions(max_length, d_model, rng=rng, dtype=dtype)
    layout = "half" if name == "sinusoidal_half" else "interleaved"
    return SinusoidalPositions(max_length, d_model, layout, dtype=dtype)
