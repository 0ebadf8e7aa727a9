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
        dx, dweight, dbias = layer_norm_backward(dy, cache)
        self.weight.accumulate(dweight)
        if self.bias is not None:
            self.bias.accumulate(dbias)
        return dx
