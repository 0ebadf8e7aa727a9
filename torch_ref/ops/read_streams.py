"""Reading from streams."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def read_streams(streams: Tensor, weight: Tensor) -> Tensor:
    """streams (..., J, D), weight (J,) -> (..., D)."""
    return torch.einsum("...jd,j->...d", streams, weight)
