"""Grouped linear: each expert's rows by PyTorch's linear map with a matrix of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_ref import ops


class GroupedLinear(nn.Module):
    """As many affine maps as experts; ``weight`` is (experts, out_features, in_features)."""

    def __init__(
        self,
        experts: int,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        self.weight = nn.Parameter(torch.empty(experts, out_features, in_features, **place))
        self.bias = nn.Parameter(torch.zeros(experts, out_features, **place)) if bias else None
        for each in self.weight.detach():
            nn.init.xavier_uniform_(each)

    def forward(self, x: Tensor, group_sizes: Tensor) -> Tensor:
        """x (P, in_features), of which expert e has group_sizes[e] rows -> (P, out_features)."""
        return ops.grouped_linear(x, self.weight, group_sizes, self.bias)
