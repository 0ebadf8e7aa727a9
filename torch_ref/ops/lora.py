"""A frozen linear map with an update of low rank."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def lora(
    x: Tensor,
    down: Tensor,
    up: Tensor,
    *,
    weight: Tensor,
    bias: Tensor | None = None,
    scale: float = 1.0,
) -> Tensor:
    """x (..., I), down (Q, I), up (O, Q) -> (..., O)."""
    return F.linear(x, weight, bias) + scale * F.linear(F.linear(x, down), up)
