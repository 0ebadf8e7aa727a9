"""Patch embedding, by PyTorch's convolution with a stride of its width."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def patch_embedding(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (B, C, Y, X), weight (D, C, P, P), bias (D,) -> (B, L, D)."""
    return F.conv2d(x, weight, bias, stride=weight.shape[-1]).flatten(2).transpose(1, 2)
