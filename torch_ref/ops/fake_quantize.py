"""Fake quantisation by PyTorch's round and clamp, and autograd past the rounding."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def fake_quantize(
    x: Tensor, scale: Tensor, *, zero: Tensor | int = 0, low: int = -128, high: int = 127
) -> Tensor:
    """x (..., D), scale (...) -> (..., D).

    ``torch.fake_quantize_per_tensor_affine`` has the same gradient of x; it takes a scale of
    float32 alone, and gives it no gradient.
    """
    u = x / scale
    q = u.round().detach() + zero
    through = q + (u - u.detach())  # q, and the slope of u
    held = torch.where((low <= q) & (q <= high), through, q.clamp(low, high))
    return (held - zero) * scale
