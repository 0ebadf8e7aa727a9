"""L2 normalisation, by PyTorch's normalize."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def l2_norm(x: Tensor, *, eps: float = 1e-12) -> Tensor:
    """x (..., D) -> (..., D)."""
    return F.normalize(x, dim=-1, eps=eps)
