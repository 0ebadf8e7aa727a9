"""A number of each layer that multiplies all that leaves it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_ref.ops.layer_scalar import layer_scalar


class LayerScalar(nn.Module):
    """y = weight x, of one number, 1 at the beginning; it is learned if ``trainable``."""

    def __init__(
        self,
        *,
        trainable: bool = True,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        weight = torch.ones(1, dtype=dtype, device=device)
        self.weight = nn.Parameter(weight, requires_grad=trainable)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> (..., D)."""
        return layer_scalar(x, self.weight)
