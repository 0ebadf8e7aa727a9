"""Expert weights: probabilities of all experts first, then those of the chosen, then shares."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def expert_weights(
    scores: Tensor,
    chosen: Tensor,
    *,
    scoring: str = "softmax",
    normalize: bool = True,
    scale: float = 1.0,
) -> Tensor:
    """scores (..., E), chosen (..., k) -> (..., k)."""
    weights = affinity(scores, scoring).gather(-1, chosen)
    if normalize:
        weights = weights / weights.sum(-1, keepdim=True)
    return scale * weights


def affinity(scores: Tensor, scoring: str) -> Tensor:
    """How well experts fit, (..., E)."""
    if scoring == "softmax":
        return torch.softmax(scores, -1)
    if scoring == "sigmoid":
        return torch.sigmoid(scores)
    return torch.logaddexp(scores, torch.zeros_like(scores)).sqrt()
