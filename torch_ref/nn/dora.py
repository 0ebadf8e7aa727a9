"""A linear layer, frozen, with new directions and lengths of its rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_ref import ops
from torch_ref.nn.linear import Linear


class DoRALinear(nn.Module):
    """``linear``, frozen; ``down``, ``up`` and ``magnitude``. The norm is detached by default."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rank: int,
        alpha: float | None = None,
        bias: bool = True,
        detach: bool = True,
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
        self.magnitude = nn.Parameter(torch.linalg.vector_norm(self.linear.weight, dim=1))
        self.scale = (rank if alpha is None else alpha) / rank
        self.detach = detach

    @property
    def weight(self) -> Tensor:
        """The rows that x meets (out, in), which have a gradient."""
        v = torch.addmm(self.linear.weight, self.up, self.down, alpha=self.scale)
        norm = torch.linalg.vector_norm(v, dim=1)
        return v * (self.magnitude / (norm.detach() if self.detach else norm))[:, None]

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
        norm = None
        if self.detach:
            with torch.no_grad():
                v = torch.addmm(self.linear.weight, self.up, self.down, alpha=self.scale)
                norm = torch.linalg.vector_norm(v, dim=1)
        y: Tensor = ops.dora(
            x,
            self.down,
            self.up,
            self.magnitude,
            weight=self.linear.weight,
            bias=self.linear.bias,
            scale=self.scale,
            norm=norm,
        )
        return y
