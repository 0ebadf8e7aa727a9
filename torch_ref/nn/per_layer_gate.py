"""What a layer does with its row of the per-layer embeddings (Gemma 3n, Google, 2025)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_ref.nn.gated_activation import GatedActivation
from torch_ref.nn.linear import Linear


class PerLayerGate(nn.Module):
    """up_proj(activation(gate_proj(x), row)), for rows of ``size`` columns.

    Raises ConfigError for an activation that is not gated.
    """

    def __init__(
        self,
        d_model: int,
        size: int,
        activation: str = "geglu_tanh",
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        self.gate_proj = Linear(d_model, size, bias=False, **place)
        self.activation = GatedActivation(activation)
        self.up_proj = Linear(size, d_model, bias=False, **place)

    def forward(self, x: Tensor, row: Tensor) -> Tensor:
        """x (..., D), row (..., P) -> (..., D)."""
        y: Tensor = self.up_proj(self.activation(self.gate_proj(x), row))
        return y
