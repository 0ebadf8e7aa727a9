"""The position-wise feed-forward network (Vaswani et al., 2017, section 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from npformer.errors import ConfigError, nearest
from torch_ref.nn.linear import Linear

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
}


class FeedForward(nn.Module):
    """linear2(activation(linear1(x))), the same at every position."""

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        activation: str = "relu",
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ConfigError(
                f"activation {activation!r} does not exist; choose one of "
                f"{', '.join(ACTIVATIONS)}" + nearest(activation, ACTIVATIONS)
            )
        self.activation = ACTIVATIONS[activation]
        self.linear1 = Linear(d_model, d_ff, dtype=dtype, device=device)
        self.linear2 = Linear(d_ff, d_model, dtype=dtype, device=device)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> (..., D)."""
        return self.linear2(self.activation(self.linear1(x)))
