"""Rotary positions: queries and keys turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from npformer.errors import ConfigError
from npformer.seam import method
from torch_ref.nn.positions.base import Positions, rows_at
from torch_ref.ops.rotary import rotary
from torch_ref.ops.rotary_tables import rotary_axes, rotary_tables
from torch_ref.seam import op


class RotaryPositions(Positions):
    """Turns the first ``width`` columns of every head; there is no parameter.

    Raises ConfigError for a layout or scaling that does not exist, an odd width, and sections that
    are not width / 2 points in all.
    """

    rotates = True
    cos: Tensor  # (max_length, width / 2)
    sin: Tensor
    axes: Tensor | None  # (width / 2,)

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
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if layout not in ("half", "interleaved"):
            raise ConfigError(f"layout is {layout!r}; choose one of half, interleaved")
        if sections and 2 * sum(sections) != width:
            raise ConfigError(
                f"sections {tuple(sections)} are {sum(sections)} points; "
                f"a rotary width of {width} has {width // 2}"
            )
        self.layout = layout
        cos, sin = rotary_tables(max_length, width, theta, scaling, dtype=dtype, device=device)
        axes = None
        if sections:
            axes = rotary_axes(sections, interleaved=interleaved_sections, device=device)
        for name, table in (("cos", cos), ("sin", sin), ("axes", axes)):
            self.register_buffer(name, table, persistent=False)

    @method
    @op
    def rotate(self, x: Tensor, at: int | Tensor = 0) -> Tensor:
        """x (B, T, N, H), queries or keys of tokens at ``at`` -> (B, T, N, H)."""
        cos, sin = (self._rows(table, at, x.shape[1]) for table in (self.cos, self.sin))
        return rotary(x, cos, sin, layout=self.layout)

    def _rows(self, table: Tensor, at: int | Tensor, length: int) -> Tensor:
        if self.axes is None or isinstance(at, int):
            return rows_at(table, at, length)
        point = torch.arange(len(self.axes), device=table.device)
        return table[at[self.axes].movedim(0, -1), point]  # (T, R/2) or (B, T, R/2)
