"""GRPO's loss, by PyTorch's minimum and clamp of a ratio."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def grpo_loss(
    log_probs: Tensor,
    old: Tensor,
    advantages: Tensor,
    *,
    counts: Tensor | None = None,
    reference: Tensor | None = None,
    beta: float = 0.0,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    per: str | int = "token",
) -> Tensor:
    """log_probs (B, T), old (B, T), advantages (B,) -> ()."""
    counted = torch.ones_like(log_probs, dtype=torch.bool) if counts is None else counts
    share = counted.to(log_probs.dtype)
    if per == "sequence":
        share = share / counted.sum(-1, keepdim=True).clamp(min=1)
    elif not isinstance(per, str):
        share = share / per
    ratio = torch.where(counted, log_probs - old, 0).exp()
    held = ratio.clamp(1 - clip_low, 1 + clip_high)
    losses = -torch.minimum(ratio * advantages[:, None], held * advantages[:, None])
    if reference is not None:
        r = torch.where(counted, reference - log_probs, 0)
        losses = losses + beta * (torch.expm1(r) - r)
    return (share * losses).sum()
