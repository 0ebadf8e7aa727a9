"""Dropout through the NumPy op's own masks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from torch_ref.seam import op


@op
def dropout(x: Tensor, p: float, rng: np.random.Generator | None) -> Tensor:
    """x (...) -> (...), through the mask that the NumPy op would draw from ``rng``."""
    if rng is None or p == 0.0:
        return x
    keep = torch.from_numpy(rng.random(x.shape, dtype=np.float32) >= p).to(x.device)
    return x * keep * (1.0 / (1.0 - p) if p < 1.0 else 0.0)
