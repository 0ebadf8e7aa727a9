"""The paper's table of sines and cosines, added to the embeddings of tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.nn.positions.base import Positions, rows_at
from torch_ref.ops.positions import sinusoidal_positions


class SinusoidalPositions(Positions):
    """The paper's table (section 3.5), which has no parameter; ConfigError for another layout."""

    adds = True
    table: Tensor  # (max_length, D)

    def __init__(
        self,
        max_length: int,
        d_model: int,
        layout: str = "interleaved",
        first: int = 0,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        table = sinusoidal_positions(
            max_length, d_model, layout=layout, first=first, dtype=dtype, device=device
        )
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Tensor, at: int | Tensor = 0) -> Tensor:
        """x (B, T, D), of tokens at ``at`` -> (B, T, D)."""
        return x + rows_at(self.table, at, x.shape[1])
