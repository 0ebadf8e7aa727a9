"""Writing to streams."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def write_streams(streams: Tensor, h: Tensor, mix: Tensor, weight: Tensor) -> Tensor:
    """streams (..., J, D), h (..., D), mix (J, J), weight (J,) -> (..., J, D)."""
    mixed = torch.einsum("ij,...jd->...id", mix, streams)
    return mixed + torch.einsum("i,...d->...id", weight, h)
