"""Dropout: PyTorch's own, or a replay of the masks that the NumPy model draws."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from npformer.errors import ConfigError
from torch_ref import ops


class Dropout(nn.Module):
    """Drops each unit with probability ``p`` while ``training``, or as ``rng`` says.

    Raises ConfigError unless ``p`` is in [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0.0 <= p < 1.0:
            raise ConfigError(f"the dropout probability is {p}; it must be in [0, 1)")
        self.p = p

    def forward(self, x: Tensor, rng: np.random.Generator | None = None) -> Tensor:
        """x (...) -> (...); a generator decides the mask, and that there is one."""
        if rng is not None:
            return ops.dropout(x, self.p, rng)
        if not x.is_cpu or not self.training or self.p == 0.0:
            return F.dropout(x, self.p, self.training)
        # PyTorch's Bernoulli draws take a CPU twice as long as its uniform ones.
        keep = torch.rand(x.shape).ge_(self.p)
        return x * keep.mul_(1.0 / (1.0 - self.p)).to(x.dtype)
