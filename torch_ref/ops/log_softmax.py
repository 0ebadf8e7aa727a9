"""The logarithm of the softmax."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def log_softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    """x (...) -> (...)."""
    return F.log_softmax(x, axis)
