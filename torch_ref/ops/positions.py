"""The paper's table of positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from npformer.errors import ConfigError


def sinusoidal_positions(
    length: int,
    d_model: int,
    *,
    layout: str = "interleaved",
    first: int = 0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """The paper's position table (length, d_model): sines in even columns, cosines in odd ones.

    Or, with the ``layout`` "half", all sines before all cosines; with "tensor2tensor" too, of its
    own frequencies. ``first`` is the first position. Raises ConfigError for another layout.
    """
    if layout not in ("interleaved", "half", "tensor2tensor"):
        raise ConfigError(f"layout is {layout!r}; choose one of interleaved, half, tensor2tensor")
    place = torch.arange(first, first + length, dtype=torch.float64, device=device)
    column = torch.arange(d_model, dtype=torch.float64, device=device)
    if layout == "tensor2tensor":
        half = d_model // 2
        rate = math.log(10_000.0) / max(half - 1, 1)
        angle = torch.outer(place, torch.exp(-rate * column[:half]))
        rest = angle.new_zeros(length, d_model - 2 * half)
        return torch.cat([angle.sin(), angle.cos(), rest], 1).to(dtype)
    wave = 10_000.0 ** (-(column - column % 2) / d_model)
    angle = torch.outer(place, wave)
    table = torch.where(column % 2 == 0, angle.sin(), angle.cos()).to(dtype)
    return torch.cat([table[:, 0::2], table[:, 1::2]], 1) if layout == "half" else table
