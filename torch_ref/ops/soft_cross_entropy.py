"""Cross-entropy against distributions."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def soft_cross_entropy(logits: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """logits (..., V), targets (..., V) -> (), or (...) if ``reduction`` is "none"."""
    classes = logits.shape[-1]
    loss = F.cross_entropy(
        logits.reshape(-1, classes), targets.reshape(-1, classes), reduction=reduction
    )
    return loss.reshape(logits.shape[:-1]) if reduction == "none" else loss
