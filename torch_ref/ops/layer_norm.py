"""Layer normalisation."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, *, eps: float = 1e-5) -> Tensor:
    """x (..., D), weight (D,), bias (D,) -> (..., D)."""
    return F.layer_norm(x, weight.shape, weight, bias, eps)
