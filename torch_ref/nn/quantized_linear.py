"""A linear layer that computes with numbers of few bits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_ref import ops
from torch_ref.nn.linear import Linear


class QuantizedLinear(Linear):
    """``weight`` (out, in), of which the product sees ``weight_bits``; of x, ``input_bits``."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        weight_bits: int = 8,
        input_bits: int | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, dtype=dtype, device=device)
        self.weight_bits, self.input_bits = weight_bits, input_bits

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in_features) -> (..., out_features)."""
        if self.input_bits is not None:
            x = _quantized(x, self.input_bits)
        return F.linear(x, _quantized(self.weight, self.weight_bits), self.bias)


def _quantized(x: Tensor, bits: int) -> Tensor:
    """Each row on the symmetric grid whose last number is the largest of it, a constant."""
    top = 2 ** (bits - 1) - 1
    largest = x.detach().abs().amax(-1, keepdim=True)
    scale = torch.where(largest == 0, torch.ones_like(largest), largest / top).detach()
    y: Tensor = ops.fake_quantize(x, scale, low=-top, high=top)
    return y
