"""The paper's table of positions."""

from __future__ import annotations

import torch
from torch import Tensor

from npformer.errors import ConfigError


def sinusoidal_positions(
    length: int,
    d_model: int,
    *,
    layout: str = "interleaved",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """The paper's position table (length, d_model): sines in even columns, cosines in odd ones.

    Or, with the ``layout`` "half", all sines before all cosines; raises ConfigError for another.
    """
    if layout not in ("interleaved", "half"):
        raise ConfigError(f"layout is {layout!r}; choose one of interleaved, half")
    column = torch.arange(d_model, dtype=torch.float64, device=device)
    wave = 10_000.0 ** (-(column - column % 2) / d_model)
    angle = torch.outer(torch.arange(length, dtype=torch.float64, device=device), wave)
    table = torch.where(column % 2 == 0, angle.sin(), angle.cos()).to(dtype)
    return torch.cat([table[:, 0::2], table[:, 1::2]], 1) if layout == "half" else table
