"""z-loss, by PyTorch's logsumexp."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def z_loss(logits: Tensor, *, counts: Tensor | None = None) -> Tensor:
    """logits (..., V) -> (), the sum over the rows that count."""
    if counts is not None:
        logits = logits[counts]
    return torch.logsumexp(logits, -1).square().sum()
