"""A linear layer that learns an update of low rank. The mathematics is in ``npformer/ops/lora.py``.

Chapter     walkthroughs/21_memory_against_arithmetic.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import scaled_normal
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module, Parameter, require_positive
from npformer.ops.lora import LoraCache, lora_backward, lora_forward


class LoRALinear(Module):
    """``linear``, frozen, and the factors ``down`` (rank, in) and ``up`` (out, rank).

    The update is scaled by alpha / rank, alpha being the rank unless given. ``up`` starts at 0, so
    that the layer starts as the one that it adapts. Raises ConfigError for a size below 1.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rank: int,
        alpha: float | None = None,
        bias: bool = True,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(rank=rank)
        self.linear = Linear(in_features, out_features, bias, rng=rng, dtype=dtype)
        for parameter in self.linear.parameters():
            parameter.trainable = False
        self.down = scaled_normal(rank, in_features, rng, dtype)
        self.up = Parameter(np.zeros((out_features, rank), dtype))
        self.scale = (rank if alpha is None else alpha) / rank

    def forward(self, x: Array) -> tuple[Array, LoraCache]:
        """x (..., in_features) -> y (..., out_features), cache."""
        weight, bias = self.linear.weight.data, self.linear.bias
        return lora_forward(
            x,
            self.down.data,
            self.up.data,
            weight=weight,
            bias=None if bias is None else bias.data,
            scale=self.scale,
        )

    def backward(self, dy: Array, cache: LoraCache) -> Array:
        """dy (..., out_features) -> dx (..., in_features); the frozen weight gets no gradient."""
        dx, ddown, dup = lora_backward(dy, cache)
        self.down.accumulate(ddown)
        self.up.accumulate(dup)
        return dx

    def merged_weight(self) -> Array:
        """weight + scale up down (out, in): summed in float64, and rounded once."""
        up, down = (factor.data.astype(np.float64) for factor in (self.up, self.down))
        weight = self.linear.weight.data
        return (weight + self.scale * (up @ down)).astype(weight.dtype)
