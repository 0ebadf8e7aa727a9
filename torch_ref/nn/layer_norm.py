"""LayerNorm over the last axis: PyTorch's."""

from __future__ import annotations

import torch
from torch import nn


class LayerNorm(nn.LayerNorm):
    """Rows of ``normalized_shape`` numbers to mean 0, variance 1, then ``weight`` and ``bias``."""

    def __init__(
        self,
        normalized_shape: int,
        eps: float = 1e-5,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(normalized_shape, eps, device=device, dtype=dtype)
