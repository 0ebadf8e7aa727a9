"""Convolution over time. The mathematics is in ``npformer/ops/conv1d.py``.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import constant, scaled_normal
from npformer.nn.module import Array, Module, require_positive
from npformer.ops.conv1d import Conv1dCache, conv1d_backward, conv1d_forward, sides


class Conv1d(Module):
    """``width`` neighbouring positions at a time; ``weight`` is (out, in, width), as in PyTorch.

    Raises ConfigError for a size or stride below 1 and for a padding below 0, ShapeError where no
    window fits.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
        bias: bool = True,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(in_channels=in_channels, out_channels=out_channels, width=width)
        require_positive(stride=stride)
        self.stride, self.padding = stride, sides(padding)
        self.weight = scaled_normal(out_channels, in_channels * width, rng, dtype)
        self.weight.data = self.weight.data.reshape(out_channels, in_channels, width)
        self.bias = constant(0.0, out_channels, dtype) if bias else None

    def forward(self, x: Array) -> tuple[Array, Conv1dCache]:
        """x (B, T, I) -> y (B, L, O), cache."""
        bias = None if self.bias is None else self.bias.data
        y, cache = conv1d_forward(
            x, self.weight.data, bias, stride=self.stride, padding=self.padding
        )
        return y, cache if self.weight.trainable else cache._replace(windows=None)

    def backward(self, dy: Array, cache: Conv1dCache) -> Array:
        """dy (B, L, O) -> dx (B, T, I)."""
        dx, dweight, dbias = conv1d_backward(dy, cache)
        if dweight is not None:
            self.weight.accumulate(dweight)
        if self.bias is not None and dbias is not None:
            self.bias.accumulate(dbias)
        return dx
