"""Linear: y = x weight^T + bias. The mathematics is in ``npformer/ops/linear.py``.

Chapter     walkthroughs/01_linear.md
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import constant, xavier_uniform
from npformer.nn.module import Array, Module, Parameter, require_positive
from npformer.ops.linear import LinearCache, linear_backward, linear_forward

PART = 2**23
"""Bytes of a weight's gradient that are made at one time, where its parameter takes rows."""
LARGE = 4
"""Such parts of a weight from which on that is done: fewer are made as one."""


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
        return gather_linear(dy, cache, self.weight, self.bias)


def gather_linear(
    dy: Array, cache: LinearCache, weight: Parameter, bias: Parameter | None
) -> Array:
    """``linear_backward``'s dx; the gradients of weight and bias are given to these.

    Those of a large weight that takes rows are made and given a few rows at a time.
    """
    parts = math.ceil(cache.weight.nbytes / PART) if weight.takes_rows else 1
    if parts < LARGE:
        dx, dweight, dbias = linear_backward(dy, cache)
        if dweight is not None:
            weight.accumulate(dweight)
        if bias is not None and dbias is not None:
            bias.accumulate(dbias)
        return dx
    dx = np.zeros((*dy.shape[:-1], cache.weight.shape[1]), dy.dtype)
    for part in np.array_split(np.arange(len(cache.weight)), parts):
        rows = slice(part[0], part[-1] + 1)
        of_rows = cache._replace(weight=cache.weight[rows])
        more, dweight, dbias = linear_backward(dy[..., rows], of_rows)
        dx += more
        assert dweight is not None, "a constant takes no rows"
        weight.accumulate_rows(rows, dweight)
        if bias is not None and dbias is not None:
            bias.accumulate_rows(rows, dbias)
    return dx
