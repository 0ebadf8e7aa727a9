"""Sinkhorn: rows and columns divided by their sums in turn, by PyTorch's log-softmax."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def sinkhorn(logits: Tensor, *, iterations: int = 20) -> Tensor:
    """logits (..., J, J) -> (..., J, J)."""
    for _ in range(iterations):
        logits = F.log_softmax(F.log_softmax(logits, -1), -2)
    return logits.exp()
