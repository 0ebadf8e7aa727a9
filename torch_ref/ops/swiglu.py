"""SwiGLU."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """gate (...), up (...) -> (...)."""
    return F.silu(gate) * up
