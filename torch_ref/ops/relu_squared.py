"""ReLU squared."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def relu_squared(x: Tensor) -> Tensor:
    """x (...) -> (...)."""
    return F.relu(x).square()
