"""GeGLU, exact and by tanh."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def geglu(gate: Tensor, up: Tensor, *, approximate: str = "none") -> Tensor:
    """gate (...), up (...) -> (...); ``approximate`` is "none" or "tanh"."""
    return F.gelu(gate, approximate=approximate) * up
