"""The position-wise feed-forward network (Vaswani et al., 2017, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from npformer.errors import ConfigError, nearest
from torch_ref.nn.activation import ACTIVATIONS, Activation
from torch_ref.nn.gated_activation import GATED_ACTIVATIONS
from torch_ref.nn.gated_feed_forward import GatedFeedForward
from torch_ref.nn.linear import Linear


class FeedForward(nn.Module):
    """linear2(activation(linear1(x))), the same at every position.

    Raises ConfigError for an activation that does not exist.
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        activation: str = "relu",
        *,
        bias: bool = True,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.linear1 = Linear(d_model, d_ff, bias, dtype=dtype, device=device)
        self.activation = Activation(activation)
        self.linear2 = Linear(d_ff, d_model, bias, dtype=dtype, device=device)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> (..., D)."""
        return self.linear2(self.activation(self.linear1(x)))


def make_feed_forward(
    d_model: int,
    d_ff: int,
    activation: str = "relu",
    *,
    bias: bool = True,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> nn.Module:
    """The network of that activation: gated by a projection of its own, or not.

    Raises ConfigError for an activation that does not exist.
    """
    every = (*ACTIVATIONS, *GATED_ACTIVATIONS)
    if activation not in every:
        raise ConfigError(
            f"activation is {activation!r}; choose one of {', '.join(every)}"
            + nearest(activation, every)
        )
    network = GatedFeedForward if activation in GATED_ACTIVATIONS else FeedForward
    return network(d_model, d_ff, activation, bias=bias, dtype=dtype, device=device)
