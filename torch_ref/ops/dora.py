"""A frozen weight with a new direction and a new length for each row."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def dora(
    x: Tensor,
    down: Tensor,
    up: Tensor,
    magnitude: Tensor,
    *,
    weight: Tensor,
    bias: Tensor | None = None,
    scale: float = 1.0,
    norm: Tensor | None = None,
) -> Tensor:
    """x (..., I), down (Q, I), up (O, Q), magnitude (O,) -> (..., O); a given norm is constant."""
    v = torch.addmm(weight, up, down, alpha=scale)
    if norm is None:
        norm = torch.linalg.vector_norm(v, dim=1)
    return F.linear(x, v * (magnitude / norm)[:, None], bias)
