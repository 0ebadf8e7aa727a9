"""KTO's loss of answers, by PyTorch's logsigmoid: sigmoid's own gradient is 0 where it is 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def kto_loss(
    log_probs: Tensor,
    *,
    reference: Tensor,
    desirable: Tensor,
    beta: float = 0.1,
    baseline: float = 0.0,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> Tensor:
    """log_probs, reference and desirable (A,) -> ()."""
    reward = beta * (log_probs - reference) - baseline
    good = desirable_weight * F.logsigmoid(-reward).exp()
    bad = undesirable_weight * F.logsigmoid(reward).exp()
    return torch.where(desirable, good, bad).sum()
