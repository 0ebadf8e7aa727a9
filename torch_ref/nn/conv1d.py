"""Convolution over time: PyTorch's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_ref import ops


class Conv1d(nn.Module):
    """``width`` neighbouring positions at a time; ``weight`` is (out, in, width)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
        bias: bool = True,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.padding = (padding, padding) if isinstance(padding, int) else tuple(padding)
        weight = torch.randn(out_channels, in_channels, width, dtype=dtype, device=device)
        self.weight = nn.Parameter(weight * (in_channels * width) ** -0.5)
        zeros = torch.zeros(out_channels, dtype=dtype, device=device)
        self.bias = nn.Parameter(zeros) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, I) -> (B, L, O)."""
        y: Tensor = ops.conv1d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)
        return y
