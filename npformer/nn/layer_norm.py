"""LayerNorm over the last axis. The mathematics is in ``npformer/ops/layer_norm.py``.

Chapter     walkthroughs/03_layer_norm.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import constant
from npformer.nn.module import Array, Module, require_positive
from npformer.ops.layer_norm import LayerNormCache, layer_norm_backward, layer_norm_forward


class LayerNorm(Module):
    """Rows of ``normalized_shape`` numbers to mean 0, variance 1; then ``weight`` and ``bias``."""

    def __init__(
        self, normalized_shape: int, eps: float = 1e-5, *, dtype: DTypeLike = np.float32
    ) -> None:
        require_positive(normalized_shape=normalized_shape)
        self.eps = eps
        self.weight = constant(1.0, normalized_shape, dtype)
        self.bias = constant(0.0, normalized_shape, dtype)

    def forward(self, x: Array) -> tuple[Array, LayerNormCache]:
        """x (..., D) -> y (..., D), cache."""
        return layer_norm_forward(x, self.weight.data, self.bias.data, eps=self.eps)

    def backward(self, dy: Array, cache: LayerNormCache) -> Array:
        """dy (..., D) -> dx (..., D)."""
        dx, dweight, dbias = layer_norm_backward(dy, cache)
        self.weight.accumulate(dweight)
        self.bias.accumulate(dbias)
        return dx
