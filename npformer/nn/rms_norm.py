"""RMSNorm over the last axis. The mathematics is in ``npformer/ops/rms_norm.py``.

Chapter     walkthroughs/15_norms_without_a_mean.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.init import constant
from npformer.nn.module import Array, Module, require_positive
from npformer.ops.rms_norm import RmsNormCache, rms_norm_backward, rms_norm_forward


class RMSNorm(Module):
    """Rows of ``normalized_shape`` numbers to root mean square 1, then times ``weight``.

    With ``plus_one`` they are multiplied by 1 + weight, which begins at 0 (Gemma); with
    ``weight=False`` by nothing. As a norm of queries and keys it takes heads (B, T, N, H), each by
    itself and all with one weight of H numbers, or their full width (B, T, N * H).

    Raises ConfigError for ``plus_one`` without a weight.
    """

    def __init__(
        self,
        normalized_shape: int,
        eps: float = 1e-5,
        *,
        plus_one: bool = False,
        weight: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(normalized_shape=normalized_shape)
        if plus_one and not weight:
            raise ConfigError("plus_one is set and weight is False; there is nothing to add 1 to")
        self.eps = eps
        self.plus_one = plus_one
        start = 0.0 if plus_one else 1.0
        self.weight = constant(start, normalized_shape, dtype) if weight else None

    def forward(self, x: Array) -> tuple[Array, RmsNormCache]:
        """x (..., D) -> y (..., D), cache."""
        weight = None if self.weight is None else self.weight.data
        return rms_norm_forward(x, weight, eps=self.eps, plus_one=self.plus_one)

    def backward(self, dy: Array, cache: RmsNormCache) -> Array:
        """dy (..., D) -> dx (..., D)."""
        if cache.scale is not None and self.weight is not None and not self.weight.trainable:
            # A constant factor is a part of what arrives, and the sum over rows is not made.
            dy, cache = dy * cache.scale, cache._replace(scale=None)
        dx, dweight = rms_norm_backward(dy, cache)
        if self.weight is not None and dweight is not None:
            self.weight.accumulate(dweight)
        return dx
