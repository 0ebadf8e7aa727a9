"""Patch embedding: PyTorch's convolution with a stride of its width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_ref import ops


class PatchEmbedding(nn.Module):
    """An image as a sequence; ``weight`` is (d_model, channels, side, side)."""

    def __init__(
        self,
        channels: int,
        d_model: int,
        side: int,
        bias: bool = True,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        weight = torch.randn(d_model, channels, side, side, dtype=dtype, device=device)
        self.weight = nn.Parameter(weight * (channels * side * side) ** -0.5)
        zeros = torch.zeros(d_model, dtype=dtype, device=device)
        self.bias = nn.Parameter(zeros) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, Y, X) -> (B, L, D)."""
        y: Tensor = ops.patch_embedding(x, self.weight, self.bias)
        return y
