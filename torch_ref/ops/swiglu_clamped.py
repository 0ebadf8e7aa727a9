"""The clamped SwiGLU of gpt-oss."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def swiglu_clamped(gate: Tensor, up: Tensor, *, alpha: float = 1.702, limit: float = 7.0) -> Tensor:
    """gate (...), up (...) -> (...).

    At a bound the gradient passes, which is said here, for ``clamp`` has changed its mind in 2.14.
    """
    gate = torch.where(gate > limit, limit, gate)
    up = torch.where(up.abs() > limit, limit * up.sign(), up)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)
