"""How large the branches of a residual sum are at the start."""

from __future__ import annotations

import torch
from torch import nn


def is_hidden(path: str, parameter: torch.Tensor) -> bool:
    """Whether it is a matrix of a layer, and no table of a layer's positions."""
    parts = path.split(".")
    of_a_layer = any(part.isdigit() for part in parts)
    return parameter.ndim == 2 and of_a_layer and "positions" not in parts


@torch.no_grad()
def scale_hidden(model: nn.Module, m: float) -> None:
    """Divide the layers' matrices by sqrt(m), for a model m times wider than its base."""
    for path, parameter in model.named_parameters():
        if is_hidden(path, parameter):
            parameter.mul_(m**-0.5)


@torch.no_grad()
def scale_branches(model: nn.Module) -> None:
    """Divide the last matrices of every branch, by their paths, by sqrt(branches)."""
    ends = ("out_proj.weight", "linear2.weight", "down_proj.weight")
    last = {path: p for path, p in model.named_parameters() if path.endswith(ends)}
    branches = {
        ".".join(part for part in path.split(".")[:-2] if part not in ("experts", "shared"))
        for path in last
    }
    for parameter in last.values():
        parameter.mul_(len(branches) ** -0.5)
