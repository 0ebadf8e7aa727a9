"""A linear layer that computes with numbers of few bits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
        weight = self.rounded_weight()
        return F.linear(self.rounded(x), weight, self.bias)

    def rounded(self, x: Tensor) -> Tensor:
        """x (..., in_features) as the product sees it."""
        return x if self.input_bits is None else _quantized(x, self.input_bits)

    def rounded_weight(self) -> Tensor:
        """The weight (out_features, in_features) as the product sees it."""
        return _quantized(self.weight, self.weight_bits)


def quantize_linears(model: nn.Module, weight_bits: int, input_bits: int | None = None) -> None:
    """Have every linear layer of ``model`` compute with so many bits; it keeps its parameters."""
    found = {path: m for path, m in model.named_modules() if type(m) is Linear}
    for path, linear in found.items():
        few = QuantizedLinear(
            linear.in_features,
            linear.out_features,
            bias=False,
            weight_bits=weight_bits,
            input_bits=input_bits,
            device="meta",
        )
        few.weight, few.bias = linear.weight, linear.bias
        model.set_submodule(path, few)


def _quantized(x: Tensor, bits: int) -> Tensor:
    """Each row on the symmetric grid whose last number is the largest of it, a constant."""
    top = 2 ** (bits - 1) - 1
    largest = x.detach().abs().amax(-1, keepdim=True)
    scale = torch.where(largest == 0, torch.ones_like(largest), largest / top).detach()
    y: Tensor = ops.fake_quantize(x, scale, low=-top, high=top)
    return y
