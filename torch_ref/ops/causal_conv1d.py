"""A short causal convolution of every channel, by PyTorch's grouped convolution."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def causal_conv1d(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (B, T, D), weight (D, K), bias (D,) -> (B, T, D)."""
    channels, width = weight.shape
    if not x.shape[1]:  # PyTorch's convolution wants one window
        return x
    padded = F.pad(x.transpose(1, 2), (width - 1, 0))
    return F.conv1d(padded, weight[:, None], bias, groups=channels).transpose(1, 2)
