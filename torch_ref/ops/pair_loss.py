"""Bradley and Terry's loss of pairs, by PyTorch's logsigmoid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def pair_loss(chosen: Tensor, rejected: Tensor) -> Tensor:
    """chosen (P,), rejected (P,) -> ()."""
    return -F.logsigmoid(chosen - rejected).sum()
