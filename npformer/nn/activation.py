"""Activation, chosen by its name; the mathematics is in the files of ``npformer/ops``.

Chapter     walkthroughs/04_activations.md
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from npformer.errors import ConfigError, nearest
from npformer.nn.module import Array, Module
from npformer.ops.gelu import gelu_backward, gelu_forward
from npformer.ops.relu import relu_backward, relu_forward
from npformer.ops.relu_squared import relu_squared_backward, relu_squared_forward
from npformer.ops.silu import silu_backward, silu_forward

ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Array]]] = {
    "relu": (relu_forward, relu_backward),
    "gelu": (gelu_forward, gelu_backward),
    "gelu_tanh": (partial(gelu_forward, approximate="tanh"), gelu_backward),
    "silu": (silu_forward, silu_backward),
    "relu_squared": (relu_squared_forward, relu_squared_backward),
}


class Activation(Module):
    """A non-linearity, entry by entry; ``name`` is a key of ``ACTIVATIONS``.

    Raises ConfigError for another.
    """

    def __init__(self, name: str) -> None:
        if name not in ACTIVATIONS:
            raise ConfigError(
                f"activation {name!r} does not exist; choose one of "
                f"{', '.join(ACTIVATIONS)}" + nearest(name, ACTIVATIONS)
            )
        self.name = name

    def forward(self, x: Array) -> tuple[Array, Any]:
        """x (...) -> y (...), the op's cache."""
        return ACTIVATIONS[self.name][0](x)

    def backward(self, dy: Array, cache: Any) -> Array:
        """dy (...) -> dx (...)."""
        return ACTIVATIONS[self.name][1](dy, cache)
