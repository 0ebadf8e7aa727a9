"""Cross-entropy of token ids."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op

NO_TOKEN = -(2**62)
"""PyTorch must have an id that is ignored; one that no vocabulary reaches ignores nothing."""


@op
def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = -100,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """logits (..., V), targets (...) -> (), or (...) if ``reduction`` is "none".

    With every target ignored and ``reduction="mean"`` this is PyTorch's 0 / 0, NaN.
    """
    loss = F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]),
        targets.reshape(-1),
        weight,
        ignore_index=NO_TOKEN if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
    return loss.reshape(targets.shape) if reduction == "none" else loss
