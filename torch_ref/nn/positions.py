"""Positions of tokens in a sequence, added to their embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from npformer.errors import ConfigError, nearest
from torch_ref.ops.positions import sinusoidal_positions


class SinusoidalPositions(nn.Module):
    """The paper's table (section 3.5), which has no parameter; ConfigError for another layout."""

    table: Tensor  # (max_length, D)

    def __init__(
        self,
        max_length: int,
        d_model: int,
        layout: str = "interleaved",
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        table = sinusoidal_positions(max_length, d_model, layout=layout, dtype=dtype, device=device)
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Tensor, at: int | Tensor = 0) -> Tensor:
        """x (B, T, D), whose first column is position ``at`` -> (B, T, D).

        ``at`` may be a tensor (1,), where T is 1.
        """
        return x + _rows(self.table, at, x.shape[1])


class LearnedPositions(nn.Module):
    """A row of ``weight`` (max_length, d_model) for each position (Gehring et al., 2017)."""

    def __init__(
        self,
        max_length: int,
        d_model: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(max_length, d_model, dtype=dtype, device=device))
        nn.init.normal_(self.weight, std=d_model**-0.5)

    def forward(self, x: Tensor, at: int | Tensor = 0) -> Tensor:
        """x (B, T, D), whose first column is position ``at`` -> (B, T, D); see the sinusoidal."""
        return x + _rows(self.weight, at, x.shape[1])


def make_positions(
    name: str,
    max_length: int,
    d_model: int,
    *,
    dtype: torch.dtype,
    device: torch.device | str | None,
) -> SinusoidalPositions | LearnedPositions:
    """The positions of that name; raises ConfigError, with the nearest, if there are none."""
    known = ("sinusoidal", "sinusoidal_half", "learned")
    if name not in known:
        raise ConfigError(
            f"positions {name!r} do not exist; choose one of {', '.join(known)}"
            + nearest(name, known)
        )
    if name == "learned":
        return LearnedPositions(max_length, d_model, dtype=dtype, device=device)
    layout = "half" if name == "sinusoidal_half" else "interleaved"
    return SinusoidalPositions(max_length, d_model, layout, dtype=dtype, device=device)


def _rows(table: Tensor, at: int | Tensor, length: int) -> Tensor:
    return table[at : at + length] if isinstance(at, int) else table[at]
