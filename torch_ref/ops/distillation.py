"""The divergence of a student from its teacher."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def distillation(
    logits: Tensor, teacher: Tensor, *, temperature: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """logits (..., V), teacher (..., V) -> (), or (...) if ``reduction`` is "none"."""
    student, given = (F.log_softmax(a / temperature, -1) for a in (logits, teacher))
    each = F.kl_div(student, given, reduction="none", log_target=True).sum(-1)
    losses = temperature**2 * each
    if reduction == "none":
        return losses
    return losses.sum() / (max(losses.numel(), 1) if reduction == "mean" else 1)
