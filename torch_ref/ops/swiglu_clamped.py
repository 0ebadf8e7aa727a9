"""The clamped SwiGLU of gpt-oss."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def swiglu_clamped(gate: Tensor, up: Tensor, *, alpha: float = 1.702, limit: float = 7.0) -> Tensor:
    """gate (...), up (...) -> (...)."""
    gate, up = gate.clamp(max=limit), up.clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)
