"""What a kind of positions may do, as hooks that a model calls.

A kind says by its flags which hooks it has, so that a caller skips the others. Called all the same,
a hook that a kind lacks changes nothing.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from npformer.errors import ShapeError
from npformer.nn.module import Array, Module


class PositionsCache(NamedTuple):
    at: int | Array  # the first position, or every token's


class Positions(Module):
    """The hooks of every kind; by itself, a model's positions where it has none.

    ``at`` is the position of the first token, or an array (T,) or (B, T) of every token's: those of
    packed documents begin anew, those of a sentence with padding on the left begin at its first
    token.
    """

    adds: ClassVar[bool] = False
    """Whether ``forward`` adds to a token's embedding."""
    rotates: ClassVar[bool] = False
    """Whether ``rotate`` turns queries and keys."""
    biases: ClassVar[bool] = False
    """Whether ``bias`` is to be added to the scores of self-attention."""

    def forward(self, x: Array, at: int | Array = 0) -> tuple[Array, PositionsCache]:
        """x (B, T, D), the embeddings of tokens at ``at`` -> y (B, T, D), cache."""
        return x, PositionsCache(at)

    def backward(self, dy: Array, cache: PositionsCache) -> Array:
        """dy (B, T, D) -> dx (B, T, D)."""
        return dy

    def rotate(self, x: Array, at: int | Array = 0) -> tuple[Array, Any]:
        """x (B, T, N, H), queries or keys of tokens at ``at`` -> y (B, T, N, H), cache."""
        return x, None

    def rotate_backward(self, dy: Array, cache: Any) -> Array:
        """dy (B, T, N, H) -> dx (B, T, N, H)."""
        return dy

    def bias(self, t: int, s: int, at: int | None = None) -> tuple[Array | None, Any]:
        """Queries t, keys s -> y (1, N, t, s), cache; None where ``biases`` is False.

        The keys are at 0 to s - 1, the first query at ``at``, or such that the last query and the
        last key are the same token. Documents packed into one row need no other positions: tokens
        of one document are as far apart in the row as in the document.
        """
        return None, None

    def bias_backward(self, dy: Array, cache: Any) -> None:
        """dy, which may be (B, N, t, s) as the bias was broadcast -> nothing: sizes have none."""


def rows_at(table: Array, at: int | Array, length: int) -> Array:
    """table (P, ...) -> the rows of ``length`` tokens (length, ...), or of ``at``'s shape.

    Raises ShapeError for an array of another length or of numbers that are no integers, and for a
    position past the table's end; IndexError for a negative one.
    """
    first, last = _range(at, length)
    if first < 0:
        raise IndexError(f"position {first} is out of range; positions are 0 or more")
    if last >= len(table):
        raise ShapeError(
            f"position {last} is past the end of the table, {len(table) - 1}; "
            f"build the positions with a max_length of {last + 1} or more"
        )
    return table[at] if isinstance(at, np.ndarray) else table[at : at + length]


def _range(at: int | Array, length: int) -> tuple[int, int]:
    """The smallest and the largest position; 0 and -1 where there are no tokens."""
    if not isinstance(at, np.ndarray):
        return (at, at + length - 1) if length else (0, -1)
    if at.dtype.kind not in "iu" or not at.ndim or at.shape[-1] != length:
        raise ShapeError(
            f"positions of dtype {at.dtype} and shape {at.shape} for {length} tokens; "
            f"give an integer for each token, (T,) or (B, T)"
        )
    return (int(at.min()), int(at.max())) if at.size else (0, -1)
