"""A linear layer, frozen, with an update of low rank."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_ref import ops
from torch_ref.nn.linear import Linear


class LoRALinear(nn.Module):
    """``linear``, frozen, and the factors ``down`` (rank, in) and ``up`` (out, rank)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rank: int,
        alpha: float | None = None,
        bias: bool = True,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.linear = Linear(in_features, out_features, bias, dtype=dtype, device=device)
        self.linear.requires_grad_(False)
        down = torch.randn(rank, in_features, dtype=dtype, device=device) * in_features**-0.5
        self.down = nn.Parameter(down)
        self.up = nn.Parameter(torch.zeros(out_features, rank, dtype=dtype, device=device))
        self.scale = (rank if alpha is None else alpha) / rank

    @property
    def weight(self) -> Tensor:
        """The sum (out, in), which has a gradient."""
        return torch.addmm(self.linear.weight, self.up, self.down, alpha=self.scale)

    @property
    def bias(self) -> Tensor | None:
        """The frozen one."""
        return self.linear.bias

    @property
    def out_features(self) -> int:
        """Size of y."""
        return self.linear.out_features

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in_features) -> (..., out_features)."""
        y: Tensor = ops.lora(
            x,
            self.down,
            self.up,
            weight=self.linear.weight,
            bias=self.linear.bias,
            scale=self.scale,
        )
        return y
