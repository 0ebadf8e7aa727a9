"""A gated activation, chosen by its name: from PyTorch's own functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from npformer.errors import ConfigError, nearest
from torch_ref import ops

GATED_ACTIVATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "swiglu": ops.swiglu,
    "geglu": ops.geglu,
    "geglu_tanh": partial(ops.geglu, approximate="tanh"),
    "swiglu_clamped": ops.swiglu_clamped,
}


class GatedActivation(nn.Module):
    """An activation of ``gate`` times ``up``, entry by entry; ``name`` in ``GATED_ACTIVATIONS``.

    Raises ConfigError for another.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in GATED_ACTIVATIONS:
            raise ConfigError(
                f"gated activation {name!r} does not exist; choose one of "
                f"{', '.join(GATED_ACTIVATIONS)}" + nearest(name, GATED_ACTIVATIONS)
            )
        self.name = name

    def forward(self, gate: Tensor, up: Tensor) -> Tensor:
        """gate (...), up (...) -> (...)."""
        return GATED_ACTIVATIONS[self.name](gate, up)
