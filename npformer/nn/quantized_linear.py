"""A linear layer that computes with numbers of few bits. See ``npformer/ops/fake_quantize.py``.

Chapter     walkthroughs/30_numbers_with_few_bits.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.init import Undrawn
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module, put_module
from npformer.ops.fake_quantize import (
    FakeQuantizeCache,
    fake_quantize_backward,
    fake_quantize_forward,
    symmetric_scale,
)
from npformer.ops.linear import LinearCache, linear_backward, linear_forward


class QuantizedLinearCache(NamedTuple):
    weight: FakeQuantizeCache
    x: FakeQuantizeCache | None
    linear: LinearCache


class QuantizedLinear(Linear):
    """``weight`` (out, in), of which the product sees ``weight_bits``; of x, ``input_bits``.

    Grids are symmetric, with a scale for each row of the weight and one for each vector of x, made
    anew in each forward of the largest number there, so that nothing is clipped, and no token has
    a part in another's rounding. In the backward they are constants. The weight itself stays a
    float, and is what an optimizer moves. ``input_bits`` None leaves x alone. Raises ConfigError
    for a size below 1, or bits outside 2 to 16.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        weight_bits: int = 8,
        input_bits: int | None = None,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        for name, bits in (("weight_bits", weight_bits), ("input_bits", input_bits)):
            if bits is not None and not 2 <= bits <= 16:
                raise ConfigError(f"{name} is {bits}; it must be from 2 to 16")
        super().__init__(in_features, out_features, bias, rng=rng, dtype=dtype)
        self.weight_bits, self.input_bits = weight_bits, input_bits

    def forward(self, x: Array) -> tuple[Array, QuantizedLinearCache]:  # type: ignore[override]
        """x (..., in_features) -> y (..., out_features), cache."""
        weight, of_weight = _quantized(self.weight.data, self.weight_bits)
        of_x = None
        if self.input_bits is not None:
            x, of_x = _quantized(x, self.input_bits)
        bias = None if self.bias is None else self.bias.data
        y, of_linear = linear_forward(x, weight, bias)
        return y, QuantizedLinearCache(of_weight, of_x, of_linear)

    def backward(self, dy: Array, cache: QuantizedLinearCache) -> Array:  # type: ignore[override]
        """dy (..., out_features) -> dx (..., in_features)."""
        dx, dweight, dbias = linear_backward(dy, cache.linear)
        assert dweight is not None
        self.weight.accumulate(fake_quantize_backward(dweight, cache.weight)[0])
        if self.bias is not None and dbias is not None:
            self.bias.accumulate(dbias)
        return dx if cache.x is None else fake_quantize_backward(dx, cache.x)[0]


def quantize_linears(model: Module, weight_bits: int, input_bits: int | None = None) -> None:
    """Have every linear layer of ``model`` compute with so many bits; it keeps its parameters.

    Raises ConfigError for bits outside 2 to 16.
    """
    found = {path: m for path, m in model.named_modules() if type(m) is Linear}
    for path, linear in found.items():
        rows, columns = linear.weight.data.shape
        few = QuantizedLinear(
            columns, rows, False, weight_bits=weight_bits, input_bits=input_bits, rng=Undrawn()
        )
        few.weight, few.bias = linear.weight, linear.bias
        put_module(model, path, few)


def _quantized(x: Array, bits: int) -> tuple[Array, FakeQuantizeCache]:
    top = 2 ** (bits - 1) - 1
    return fake_quantize_forward(x, symmetric_scale(x, bits, by_row=True), low=-top, high=top)
