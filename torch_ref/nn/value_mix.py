"""Value embeddings: attention's values, mixed with a row that the token's id alone decides."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ValueMix(nn.Module):
    """a v + b row, with (a, b) the parameter ``mix``."""

    def __init__(
        self, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
    ) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.full((2,), 0.5, dtype=dtype, device=device))

    def forward(self, v: Tensor, row: Tensor) -> Tensor:
        """v (B, T, G, H), row (B, T, G, H) -> (B, T, G, H)."""
        return self.mix[0] * v + self.mix[1] * row
