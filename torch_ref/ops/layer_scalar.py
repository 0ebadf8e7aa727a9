"""A layer scalar, by PyTorch's product."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def layer_scalar(x: Tensor, weight: Tensor) -> Tensor:
    """x (..., D), weight (1,) -> (..., D)."""
    return torch.mul(x, weight)
