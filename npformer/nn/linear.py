"""Linear: y = x weight^T + bias. The mathematics is in ``npformer/ops/linear.py``.

Chapter     walkthroughs/01_linear.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import constant, xavier_uniform
from npformer.nn.module import Array, Module, require_positive
from npformer.ops.linear import LinearCache, linear_backward, linear_forward


class Linear(Module):
    """An affine map of the last axis; ``weight`` is (out_features, in_features).

    Raises ConfigError for a size below 1.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(in_features=in_features, out_features=out_features)
        self.weight = xavier_uniform(out_features, in_features, rng, dtype)
        self.bias = constant(0.0, out_features, dtype) if bias else None

    def forward(self, x: Array) -> tuple[Array, LinearCache]:
        """x (..., in_features) -> y (..., out_features), cache."""
        bias = None if self.bias is None else self.bias.data
        y, cache = linear_forward(x, self.weight.data, bias)
        return y, cache if self.weight.trainable else cache._replace(x=None)

    def backward(self, dy: Array, cache: LinearCache) -> Array:
        """dy (..., out_features) -> dx (..., in_features)."""
        dx, dweight, dbias = linear_backward(dy, cache)
        if dweight is not None:
            self.weight.accumulate(dweight)
        if self.bias is not None and dbias is not None:
            self.bias.accumulate(dbias)
        return dx
