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
    """Rows of ``normalized_shape`` numbers to mean 0, variance 1; then ``weight`` and ``bias``.

    With ``bias=False`` there is no bias, as in ModernBERT: the op is given zeros.
    """

    def __init__(
        self,
        normalized_shape: int,
        eps: float = 1e-5,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(normalized_shape=normalized_shape)
        self.eps = eps
        self.weight = constant(1.0, normalized_shape, dtype)
        self.bias = constant(0.0, normalized_shape, dtype) if bias else None

    def forward(self, x: Array) -> tuple[Array, LayerNormCache]:
        """x (..., D) -> y (..., D), cache."""
        weight = self.weight.data
        bias = np.zeros_like(weight) if self.bias is None else self.bias.data
        return layer_norm_forward(x, weight, bias, eps=self.eps)

    def backward(self, dy: Array, cache: LayerNormCache) -> Array:
        """dy (..., D) -> dx (..., D)."""
        if not self.weight.trainable and (self.bias is None or not self.bias.trainable):
            # A constant factor is a part of what arrives, and the sums over rows are not made.
            dy, cache = dy * self.weight.data, cache._replace(weight=None)
        dx, dweight, dbias = layer_norm_backward(dy, cache)
        if dweight is not None:
            self.weight.accumulate(dweight)
        if self.bias is not None and dbias is not None:
            self.bias.accumulate(dbias)
        return dx
