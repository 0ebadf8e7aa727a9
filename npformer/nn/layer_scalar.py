"""A number of each layer that multiplies all that leaves it: ``npformer/ops/layer_scalar.py``.

Chapter     walkthroughs/28_streams.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.module import Array, Module, Parameter
from npformer.ops.layer_scalar import (
    LayerScalarCache,
    layer_scalar_backward,
    layer_scalar_forward,
)


class LayerScalar(Module):
    """y = weight x, of one number, 1 at the beginning; it is learned if ``trainable``."""

    def __init__(self, *, trainable: bool = True, dtype: DTypeLike = np.float32) -> None:
        self.weight = Parameter(np.ones(1, dtype), trainable)

    def forward(self, x: Array) -> tuple[Array, LayerScalarCache]:
        """x (..., D) -> y (..., D), cache."""
        y, cache = layer_scalar_forward(x, self.weight.data)
        return y, cache if self.weight.trainable else cache._replace(x=None)

    def backward(self, dy: Array, cache: LayerScalarCache) -> Array:
        """dy (..., D) -> dx (..., D)."""
        dx, dweight = layer_scalar_backward(dy, cache)
        if dweight is not None:
            self.weight.accumulate(dweight)
        return dx
