"""Output projection and cross-entropy, with all the logits at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def linear_cross_entropy(
    x: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softcap: float | None = None,
    ignore_index: int | None = -100,
    reduction: str = "mean",
    row_block: int = 256,
    class_block: int = 4096,
) -> Tensor:
    """x (..., D), weight (V, D), targets (...) -> (), or (...) if ``reduction`` is "none".

    PyTorch's own linear map and loss of the rows that count, composed: the blocks make no
    difference. ``torch_ref.train.linear_cross_entropy`` is what trains, a few rows at a time.
    """
    counts = torch.ones_like(targets, dtype=torch.bool)
    if ignore_index is not None:
        counts = targets != ignore_index
    logits = F.linear(x[counts], weight)  # (M, V)
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    losses = F.cross_entropy(
        logits, targets[counts], reduction="none", label_smoothing=label_smoothing
    )
    losses = losses + z_loss * torch.logsumexp(logits, -1) ** 2
    if reduction == "none":
        return torch.zeros_like(targets, dtype=x.dtype).masked_scatter(counts, losses)
    return losses.sum() / (max(len(losses), 1) if reduction == "mean" else 1)
