"""The softmax."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    """x (...) -> (...)."""
    return F.softmax(x, axis)
