"""The gated feed-forward network (Shazeer, 2020, arXiv:2002.05202), as in Llama."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_ref.nn.gated_activation import GatedActivation
from torch_ref.nn.linear import Linear


class GatedFeedForward(nn.Module):
    """down_proj(activation(gate_proj(x), up_proj(x))), the same at every position.

    Raises ConfigError for an activation that does not exist.
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        activation: str = "swiglu",
        *,
        bias: bool = True,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.gate_proj = Linear(d_model, d_ff, bias, dtype=dtype, device=device)
        self.up_proj = Linear(d_model, d_ff, bias, dtype=dtype, device=device)
        self.activation = GatedActivation(activation)
        self.down_proj = Linear(d_ff, d_model, bias, dtype=dtype, device=device)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> (..., D)."""
        return self.down_proj(self.activation(self.gate_proj(x), self.up_proj(x)))
