"""A short causal convolution. The mathematics is in ``npformer/ops/causal_conv1d.py``.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import constant, scaled_normal
from npformer.nn.module import Array, Module, require_positive
from npformer.ops.causal_conv1d import (
    CausalConv1dCache,
    causal_conv1d_backward,
    causal_conv1d_forward,
)


class CausalConv1d(Module):
    """The last ``width`` positions of every channel; ``weight`` is (channels, width).

    Raises ConfigError for a size below 1.
    """

    def __init__(
        self,
        channels: int,
        width: int = 4,
        bias: bool = True,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(channels=channels, width=width)
        self.weight = scaled_normal(channels, width, rng, dtype)
        self.bias = constant(0.0, channels, dtype) if bias else None

    def forward(self, x: Array) -> tuple[Array, CausalConv1dCache]:
        """x (B, T, D) -> y (B, T, D), cache."""
        bias = None if self.bias is None else self.bias.data
        y, cache = causal_conv1d_forward(x, self.weight.data, bias)
        return y, cache if self.weight.trainable else cache._replace(x=None)

    def backward(self, dy: Array, cache: CausalConv1dCache) -> Array:
        """dy (B, T, D) -> dx (B, T, D)."""
        dx, dweight, dbias = causal_conv1d_backward(dy, cache)
        if dweight is not None:
            self.weight.accumulate(dweight)
        if self.bias is not None and dbias is not None:
            self.bias.accumulate(dbias)
        return dx
