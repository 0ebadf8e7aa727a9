"""Activation, chosen by its name: PyTorch's own function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from npformer.errors import ConfigError, nearest
from torch_ref import ops

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
    "relu_squared": ops.relu_squared,
}


class Activation(nn.Module):
    """A non-linearity, entry by entry; ``name`` is a key of ``ACTIVATIONS``.

    Raises ConfigError for another.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in ACTIVATIONS:
            raise ConfigError(
                f"activation {name!r} does not exist; choose one of "
                f"{', '.join(ACTIVATIONS)}" + nearest(name, ACTIVATIONS)
            )
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """x (...) -> (...)."""
        return ACTIVATIONS[self.name](x)
