"""The log-probability of a sequence, by PyTorch's cross_entropy without a reduction."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def sequence_log_prob(
    logits: Tensor, targets: Tensor, *, counts: Tensor | None = None, mean: bool = False
) -> Tensor:
    """logits (B, T, V), targets (B, T), counts (B, T) or None -> (B,)."""
    if counts is not None:
        targets = targets.masked_fill(~counts, -100)
        logits = logits.masked_fill(~counts[..., None], 0)  # whatever stands there
    losses = F.cross_entropy(logits.transpose(1, -1), targets, reduction="none")  # (B, T)
    y = -losses.sum(-1)
    return y / (targets != -100).sum(-1).clamp(min=1) if mean else y
