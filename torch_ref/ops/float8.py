"""A cast to eight bits of floating point and back, by PyTorch's own dtypes."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op

KINDS = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}


@op
def float8(x: Tensor, *, scale: Tensor | float = 1.0, kind: str = "e4m3") -> Tensor:
    """x (..., D) -> (..., D).

    Autograd through ``Tensor.to`` would cast the gradient to eight bits too, so it goes past.
    """
    u = x / scale
    largest = torch.finfo(KINDS[kind]).max
    held = u.clamp(-largest, largest)
    cast = held.detach().to(KINDS[kind]).to(x.dtype)
    inside = u.abs() <= largest
    return (cast + torch.where(inside, u - u.detach(), 0)) * scale
