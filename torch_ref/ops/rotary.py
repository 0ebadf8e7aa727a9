"""Rotary positions in PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def rotary(x: Tensor, cos: Tensor, sin: Tensor, *, layout: str = "half") -> Tensor:
    """x (B, T, N, H), cos and sin (T, R/2) or (B, T, R/2) -> (B, T, N, H).

    Turned in the tables' precision, then rounded to x's.
    """
    points = cos.shape[-1]
    turning, still = x[..., : 2 * points], x[..., 2 * points :]
    cos, sin = cos.unsqueeze(-2), sin.unsqueeze(-2)
    if layout == "half":
        left, right = turning.chunk(2, -1)
        turned = turning * torch.cat([cos, cos], -1) + torch.cat([-right, left], -1) * torch.cat(
            [sin, sin], -1
        )
    else:
        a, b = turning.unflatten(-1, (points, 2)).unbind(-1)
        turned = torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)
    return torch.cat([turned.to(x.dtype), still], -1)
