"""RMS normalisation."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def rms_norm(
    x: Tensor, weight: Tensor | None = None, *, eps: float = 1e-5, plus_one: bool = False
) -> Tensor:
    """x (..., D), weight (D,) or None -> (..., D)."""
    if weight is not None and plus_one:
        weight = 1 + weight
    return F.rms_norm(x, x.shape[-1:], weight, eps)
