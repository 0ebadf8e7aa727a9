"""A gated activation, chosen by its name; the mathematics is in the files of ``npformer/ops``.

Chapter     walkthroughs/18_gates.md
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from npformer.errors import ConfigError, nearest
from npformer.nn.module import Array, Module
from npformer.ops.geglu import geglu_backward, geglu_forward
from npformer.ops.swiglu import swiglu_backward, swiglu_forward
from npformer.ops.swiglu_clamped import swiglu_clamped_backward, swiglu_clamped_forward

GATED_ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., tuple[Array, Array]]]] = {
    "swiglu": (swiglu_forward, swiglu_backward),
    "geglu": (geglu_forward, geglu_backward),
    "geglu_tanh": (partial(geglu_forward, approximate="tanh"), geglu_backward),
    "swiglu_clamped": (swiglu_clamped_forward, swiglu_clamped_backward),
}


class GatedActivation(Module):
    """An activation of ``gate`` times ``up``, entry by entry; ``name`` in ``GATED_ACTIVATIONS``.

    Raises ConfigError for another.
    """

    def __init__(self, name: str) -> None:
        if name not in GATED_ACTIVATIONS:
            raise ConfigError(
                f"gated activation {name!r} does not exist; choose one of "
                f"{', '.join(GATED_ACTIVATIONS)}" + nearest(name, GATED_ACTIVATIONS)
            )
        self.name = name

    def forward(self, gate: Array, up: Array) -> tuple[Array, Any]:
        """gate (...), up (...) -> y (...), the op's cache."""
        return GATED_ACTIVATIONS[self.name][0](gate, up)

    def backward(self, dy: Array, cache: Any) -> tuple[Array, Array]:
        """dy (...) -> dgate (...), dup (...)."""
        return GATED_ACTIVATIONS[self.name][1](dy, cache)
