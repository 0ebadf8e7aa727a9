"""The sigmoid."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def sigmoid(x: Tensor) -> Tensor:
    """x (...) -> (...)."""
    return torch.sigmoid(x)
