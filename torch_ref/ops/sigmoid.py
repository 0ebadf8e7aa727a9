"""The sigmoid."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def sigmoid(x: Tensor) -> Tensor:
    """x (...) -> (...).

    Where the gate is open, by 1 - sigmoid(-x): PyTorch's slope is y (1 - y), which has few digits
    left there.
    """
    return torch.where(x > 0, 1 - torch.sigmoid(-x), torch.sigmoid(x))
