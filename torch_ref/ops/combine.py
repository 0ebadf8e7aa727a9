"""Combine: the rows of each token's choices, side by side, in a product with its weights."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def combine(h: Tensor, weights: Tensor, slots: Tensor) -> Tensor:
    """h (P, D), weights (R, k), slots (R, k) -> (R, D)."""
    none = h.new_zeros(1, h.shape[1])  # what a dropped choice reads, at -1
    return torch.einsum("rk,rkd->rd", weights, torch.cat([h, none])[slots])
