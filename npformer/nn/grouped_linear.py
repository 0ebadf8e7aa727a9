"""Grouped linear: each expert's rows by a matrix of its own (``npformer/ops/grouped_linear.py``).

Chapter     walkthroughs/25_choosing_experts.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import xavier_stack
from npformer.nn.module import Array, Module, Parameter, require_positive
from npformer.ops.grouped_linear import (
    GroupedLinearCache,
    grouped_linear_backward,
    grouped_linear_forward,
)


class GroupedLinear(Module):
    """As many affine maps as experts; ``weight`` is (experts, out_features, in_features).

    Raises ConfigError for a size below 1.
    """

    def __init__(
        self,
        experts: int,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(experts=experts, in_features=in_features, out_features=out_features)
        self.weight = xavier_stack(experts, out_features, in_features, rng, dtype)
        self.bias = Parameter(np.zeros((experts, out_features), dtype)) if bias else None

    def forward(self, x: Array, group_sizes: Array) -> tuple[Array, GroupedLinearCache]:
        """x (P, in_features), group_sizes[e] rows of expert e -> y (P, out_features), cache."""
        bias = None if self.bias is None else self.bias.data
        y, cache = grouped_linear_forward(x, self.weight.data, group_sizes, bias)
        return y, cache if self.weight.trainable else cache._replace(x=None)

    def backward(self, dy: Array, cache: GroupedLinearCache) -> Array:
        """dy (P, out_features) -> dx (P, in_features)."""
        dx, dweight, dbias = grouped_linear_backward(dy, cache)
        if dweight is not None:
            self.weight.accumulate(dweight)
        if self.bias is not None and dbias is not None:
            self.bias.accumulate(dbias)
        return dx
