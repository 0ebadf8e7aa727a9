"""The position-wise feed-forward network (Vaswani et al., 2017, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_ref.nn.activation import Activation
from torch_ref.nn.linear import Linear


class FeedForward(nn.Module):
    """linear2(activation(linear1(x))), the same at every position.

    Raises ConfigError for an activation that does not exist.
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        activation: str = "relu",
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.linear1 = Linear(d_model, d_ff, dtype=dtype, device=device)
        self.activation = Activation(activation)
        self.linear2 = Linear(d_ff, d_model, dtype=dtype, device=device)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> (..., D)."""
        return self.linear2(self.activation(self.linear1(x)))
