"""Convolutions over time, by PyTorch's own."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
) -> Tensor:
    """x (B, T, I), weight (O, I, K), bias (O,) -> (B, L, O)."""
    sides = (padding, padding) if isinstance(padding, int) else tuple(padding)
    padded = F.pad(x.transpose(1, 2), sides)
    return F.conv1d(padded, weight, bias, stride).transpose(1, 2)
