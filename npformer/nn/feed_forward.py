"""The position-wise feed-forward network (Vaswani et al., 2017, section 3.3).

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError, nearest
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module
from npformer.ops.gelu import gelu_backward, gelu_forward
from npformer.ops.linear import LinearCache
from npformer.ops.relu import relu_backward, relu_forward
from npformer.ops.silu import silu_backward, silu_forward

ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Array]]] = {
    "relu": (relu_forward, relu_backward),
    "gelu": (gelu_forward, gelu_backward),
    "gelu_tanh": (partial(gelu_forward, approximate="tanh"), gelu_backward),
    "silu": (silu_forward, silu_backward),
}


class FeedForwardCache(NamedTuple):
    linear1: LinearCache
    activation: Any  # the cache of the activation's op
    linear2: LinearCache


class FeedForward(Module):
    """linear2(activation(linear1(x))), the same at every position."""

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        activation: str = "relu",
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise ConfigError(
                f"activation {activation!r} does not exist; choose one of "
                f"{', '.join(ACTIVATIONS)}" + nearest(activation, ACTIVATIONS)
            )
        self.activation = activation
        self.linear1 = Linear(d_model, d_ff, rng=rng, dtype=dtype)
        self.linear2 = Linear(d_ff, d_model, rng=rng, dtype=dtype)

    def forward(self, x: Array) -> tuple[Array, FeedForwardCache]:
        """x (..., D) -> y (..., D), cache."""
        activation_forward, _ = ACTIVATIONS[self.activation]
        h, linear1 = self.linear1.forward(x)  # (..., F)
        h, activation = activation_forward(h)
        y, linear2 = self.linear2.forward(h)
        return y, FeedForwardCache(linear1, activation, linear2)

    def backward(self, dy: Array, cache: FeedForwardCache) -> Array:
        """dy (..., D) -> dx (..., D)."""
        _, activation_backward = ACTIVATIONS[self.activation]
        dh = self.linear2.backward(dy, cache.linear2)  # (..., F)
        dh = activation_backward(dh, cache.activation)
        return self.linear1.backward(dh, cache.linear1)
