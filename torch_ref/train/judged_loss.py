"""The losses of judged answers, of log-probabilities; the gradient is autograd's."""

from __future__ import annotations

import torch
from torch import Tensor

from npformer.config import PreferenceConfig
from torch_ref import ops


def judged_loss(
    y: Tensor,
    counted: Tensor,
    preferences: PreferenceConfig,
    *,
    desirable: Tensor,
    reference: Tensor | None,
) -> Tensor:
    """Log-probabilities y (A,), desirable and reference (A,), counted (units,) -> (), a sum."""
    p, beta = preferences, preferences.factor
    together = y.view(-1, p.answers)[counted]  # (units, answers)
    given = torch.zeros_like(y) if reference is None else reference.to(y.dtype)
    before = given.view(-1, p.answers)[counted]
    if p.prefer == "kto":
        return torch.as_tensor(
            ops.kto_loss(
                together[:, 0],
                reference=before[:, 0],
                desirable=desirable[counted],
                beta=beta,
                desirable_weight=p.desirable_weight,
                undesirable_weight=p.undesirable_weight,
            )
        )
    chosen, rejected = together.unbind(1)
    if p.prefer == "simpo":
        return torch.as_tensor(ops.pair_loss(beta * chosen - p.margin, beta * rejected))
    noise = p.label_noise
    return torch.as_tensor(
        ops.dpo_loss(chosen, rejected, *before.unbind(1), beta=beta, label_smoothing=noise)
    )
