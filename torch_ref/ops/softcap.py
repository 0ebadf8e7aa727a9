"""A soft cap, by PyTorch's tanh."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def softcap(x: Tensor, *, cap: float) -> Tensor:
    """x (...) -> (...)."""
    return cap * torch.tanh(x / cap)
