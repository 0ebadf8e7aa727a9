"""Direct preference optimisation, by PyTorch's logsigmoid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    *,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Log-probabilities (P,) of the policy and of the reference -> ()."""
    rewards = beta * (chosen - reference_chosen), beta * (rejected - reference_rejected)
    m = rewards[0] - rewards[1]
    right, wrong = -F.logsigmoid(m).sum(), -F.logsigmoid(-m).sum()
    return right + label_smoothing * (wrong - right) if label_smoothing else right
