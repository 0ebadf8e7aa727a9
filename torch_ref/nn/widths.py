"""How large the branches of a residual sum are at the start."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def scale_branches(model: nn.Module) -> None:
    """Divide the last matrix of every branch, by its path, by sqrt(branches)."""
    ends = ("out_proj.weight", "linear2.weight", "down_proj.weight")
    last = [parameter for path, parameter in model.named_parameters() if path.endswith(ends)]
    for parameter in last:
        parameter.mul_(len(last) ** -0.5)
