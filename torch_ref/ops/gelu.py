"""The Gaussian error linear unit."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    """x (...) -> (...); ``approximate`` is "none" or "tanh"."""
    return F.gelu(x, approximate=approximate)
