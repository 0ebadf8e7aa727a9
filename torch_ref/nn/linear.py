"""Linear: PyTorch's, started from Xavier's uniform distribution."""

from __future__ import annotations

import torch
from torch import nn


class Linear(nn.Linear):
    """y = x weight^T + bias; ``weight`` is (out_features, in_features)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw the weight from Xavier's uniform distribution; the bias starts at zero."""
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
