"""The position-wise feed-forward network (Vaswani et al., 2017, section 3.3).

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.activation import ACTIVATIONS, Activation
from npformer.nn.gated_activation import GATED_ACTIVATIONS
from npformer.nn.gated_feed_forward import GatedFeedForward
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module
from npformer.ops.checks import check_choice
from npformer.ops.linear import LinearCache


class FeedForwardCache(NamedTuple):
    linear1: LinearCache
    activation: Any  # the cache of the activation's op
    linear2: LinearCache


class FeedForward(Module):
    """linear2(activation(linear1(x))), the same at every position.

    Raises ConfigError for an activation that does not exist or a size below 1.
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        activation: str = "relu",
        *,
        bias: bool = True,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.linear1 = Linear(d_model, d_ff, bias, rng=rng, dtype=dtype)
        self.activation = Activation(activation)
        self.linear2 = Linear(d_ff, d_model, bias, rng=rng, dtype=dtype)

    def forward(self, x: Array) -> tuple[Array, FeedForwardCache]:
        """x (..., D) -> y (..., D), cache."""
        h, linear1 = self.linear1.forward(x)  # (..., F)
        h, activation = self.activation.forward(h)
        y, linear2 = self.linear2.forward(h)
        return y, FeedForwardCache(linear1, activation, linear2)

    def backward(self, dy: Array, cache: FeedForwardCache) -> Array:
        """dy (..., D) -> dx (..., D)."""
        dh = self.linear2.backward(dy, cache.linear2)  # (..., F)
        dh = self.activation.backward(dh, cache.activation)
        return self.linear1.backward(dh, cache.linear1)


def make_feed_forward(
    d_model: int,
    d_ff: int,
    activation: str = "relu",
    *,
    bias: bool = True,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float32,
) -> FeedForward | GatedFeedForward:
    """The network of that activation: gated by a projection of its own, or not.

    Raises ConfigError for an activation that is neither in ``ACTIVATIONS`` nor in
    ``GATED_ACTIVATIONS``, or a size below 1.
    """
    every = (*ACTIVATIONS, *GATED_ACTIVATIONS)
    check_choice("activation", activation, every)
    network = GatedFeedForward if activation in GATED_ACTIVATIONS else FeedForward
    return network(d_model, d_ff, activation, bias=bias, rng=rng, dtype=dtype)
