"""Experts: feed-forward networks side by side, each for the rows that are sent to it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from npformer.errors import ConfigError, nearest
from torch_ref.nn.activation import ACTIVATIONS, Activation
from torch_ref.nn.gated_activation import GATED_ACTIVATIONS, GatedActivation
from torch_ref.nn.grouped_linear import GroupedLinear


class Experts(nn.Module):
    """down_proj(activation(gate_proj(x), up_proj(x))) of each row's expert.

    Raises ConfigError for an activation that does not exist.
    """

    def __init__(
        self,
        experts: int,
        d_model: int,
        d_ff: int,
        activation: str = "swiglu",
        *,
        bias: bool = False,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        every = (*ACTIVATIONS, *GATED_ACTIVATIONS)
        if activation not in every:
            raise ConfigError(
                f"activation is {activation!r}; choose one of {', '.join(every)}"
                + nearest(activation, every)
            )
        gated = activation in GATED_ACTIVATIONS

        def grouped(inputs: int, outputs: int) -> GroupedLinear:
            return GroupedLinear(experts, inputs, outputs, bias, dtype=dtype, device=device)

        self.gate_proj = grouped(d_model, d_ff) if gated else None
        self.up_proj = grouped(d_model, d_ff)
        self.activation = GatedActivation(activation) if gated else Activation(activation)
        self.down_proj = grouped(d_ff, d_model)

    def forward(self, x: Tensor, group_sizes: Tensor) -> Tensor:
        """x (P, D), group_sizes[e] rows of expert e, sorted by e -> (P, D)."""
        up = self.up_proj(x, group_sizes)
        if self.gate_proj is None:
            return self.down_proj(self.activation(up), group_sizes)
        return self.down_proj(self.activation(self.gate_proj(x, group_sizes), up), group_sizes)
