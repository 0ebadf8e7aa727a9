"""The logarithm of a decay that a token makes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def decay_gate(x: Tensor, log_rate: Tensor, bias: Tensor) -> Tensor:
    """x (..., N), log_rate (N,), bias (N,) -> (..., N)."""
    return -log_rate.exp() * F.softplus(x + bias)
