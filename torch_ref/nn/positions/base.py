"""What a kind of positions may do, as hooks that a model calls."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from npformer.errors import ShapeError
from npformer.seam import method
from torch_ref.seam import op


class Positions(nn.Module):
    """The hooks of every kind; by itself, a model's positions where it has none.

    ``at`` is the position of the first token, or a tensor (T,) or (B, T) of every token's.
    """

    adds: ClassVar[bool] = False
    rotates: ClassVar[bool] = False
    biases: ClassVar[bool] = False

    def forward(self, x: Tensor, at: int | Tensor = 0) -> Tensor:
        """x (B, T, D), the embeddings of tokens at ``at`` -> (B, T, D)."""
        return x

    @method
    @op
    def rotate(self, x: Tensor, at: int | Tensor = 0) -> Tensor:
        """x (B, T, N, H), queries or keys of tokens at ``at`` -> (B, T, N, H)."""
        return x

    @method
    def bias(self, t: int, s: int, at: int | Tensor | None = None) -> Tensor | None:
        """Queries t, keys s -> (1, N, t, s), or None where ``biases`` is False.

        ``at``, the first query's position, may be a tensor (1,).
        """
        return None


def rows_at(table: Tensor, at: int | Tensor, length: int) -> Tensor:
    """table (P, ...) -> the rows of ``length`` tokens (length, ...), or of ``at``'s shape.

    Raises ShapeError for a position past the table's end, if ``at`` is a number; IndexError if it
    is a tensor on the CPU.
    """
    if not isinstance(at, int):
        return table[at]
    if at + length > len(table):
        raise ShapeError(
            f"position {at + length - 1} is past the end of the table, {len(table) - 1}; "
            f"build the positions with a max_length of {at + length} or more"
        )
    return table[at : at + length]
