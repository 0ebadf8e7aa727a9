"""The sigmoid linear unit."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def silu(x: Tensor) -> Tensor:
    """x (...) -> (...)."""
    return F.silu(x)
