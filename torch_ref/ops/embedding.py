"""The look-up of rows by token ids."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def embedding(ids: Tensor, weight: Tensor, *, padding_idx: int | None = None) -> Tensor:
    """ids (...), weight (V, D) -> (..., D); IndexError for an id out of range, on the CPU."""
    return F.embedding(ids, weight, padding_idx)
