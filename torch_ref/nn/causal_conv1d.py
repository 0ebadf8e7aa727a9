"""A short causal convolution: PyTorch's, a group a channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_ref import ops


class CausalConv1d(nn.Module):
    """The last ``width`` positions of every channel; ``weight`` is (channels, width)."""

    def __init__(
        self,
        channels: int,
        width: int = 4,
        bias: bool = True,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        weight = torch.randn(channels, width, dtype=dtype, device=device) * width**-0.5
        self.weight = nn.Parameter(weight)
        zeros = torch.zeros(channels, dtype=dtype, device=device)
        self.bias = nn.Parameter(zeros) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, D) -> (B, T, D)."""
        y: Tensor = ops.causal_conv1d(x, self.weight, self.bias)
        return y
