"""A linear layer that learns directions and lengths. Mathematics: ``npformer/ops/dora.py``.

Chapter     walkthroughs/21_memory_against_arithmetic.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import scaled_normal
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module, Parameter, require_positive
from npformer.ops.dora import (
    DoraCache,
    adapted_weight,
    dora_backward,
    dora_forward,
    row_norms,
)


class DoRALinear(Module):
    """``linear``, frozen; ``down``, ``up`` and ``magnitude`` (out,), the length of each row.

    The norm is a constant to the backward, as in the paper and in libraries, unless ``detach`` is
    False. ``magnitude`` starts at the lengths of the frozen rows and ``up`` at 0, so that the layer
    starts as the one that it adapts. Raises ConfigError for a size below 1.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rank: int,
        alpha: float | None = None,
        bias: bool = True,
        detach: bool = True,
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
        self.magnitude = Parameter(row_norms(self.linear.weight.data))
        self.scale = (rank if alpha is None else alpha) / rank
        self.detach = detach

    def forward(self, x: Array) -> tuple[Array, DoraCache]:
        """x (..., in_features) -> y (..., out_features), cache."""
        weight, bias = self.linear.weight.data, self.linear.bias
        down, up = self.down.data, self.up.data
        norm = row_norms(adapted_weight(weight, down, up, self.scale)) if self.detach else None
        return dora_forward(
            x,
            down,
            up,
            self.magnitude.data,
            weight=weight,
            bias=None if bias is None else bias.data,
            scale=self.scale,
            norm=norm,
        )

    def backward(self, dy: Array, cache: DoraCache) -> Array:
        """dy (..., out_features) -> dx (..., in_features); the frozen weight gets no gradient."""
        dx, ddown, dup, dmagnitude = dora_backward(dy, cache)
        self.down.accumulate(ddown)
        self.up.accumulate(dup)
        self.magnitude.accumulate(dmagnitude)
        return dx

    def merged_weight(self) -> Array:
        """The rows that x meets (out, in): made in float64, and rounded once."""
        factors = (self.linear.weight, self.down, self.up)
        weight, down, up = (p.data.astype(np.float64) for p in factors)
        v = adapted_weight(weight, down, up, self.scale)
        rows = v * (self.magnitude.data / row_norms(v))[:, None]
        return rows.astype(self.linear.weight.data.dtype)
