"""A learned row for each position, added to the embeddings of tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_ref.nn.positions.base import Positions, rows_at


class LearnedPositions(Positions):
    """A row of ``weight`` (max_length, d_model) for each position (Gehring et al., 2017)."""

    adds = True

    def __init__(
        self,
        max_length: int,
        d_model: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(max_length, d_model, dtype=dtype, device=device))
        nn.init.normal_(self.weight, std=d_model**-0.5)

    def forward(self, x: Tensor, at: int | Tensor = 0) -> Tensor:
        """x (B, T, D), of tokens at ``at`` -> (B, T, D)."""
        return x + rows_at(self.weight, at, x.shape[1])
